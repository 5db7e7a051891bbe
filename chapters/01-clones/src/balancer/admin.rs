//! The balancer's other door: who is there, how they are doing, and who comes and goes.
//!
//! It is a small HTTP interface on an address of its own, as HAProxy and Envoy have one, for people with `curl`, for Prometheus, and for whatever
//! replaces clones. It must not be reachable from where visitors come from: whoever reaches it can empty the shop.
//! That is why it has an address of its own, by default on this machine only, and why it answers no browser: a page from
//! anywhere could make one send a request to `127.0.0.1`.
//!
//! Left out: a password, and a list of who changed what.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::StatusCode;
use http::header::{CONTENT_TYPE, LOCATION, ORIGIN};
use serde::{Deserialize, Serialize};

use super::metrics::{METRICS_TYPE, UpstreamMetrics};
use super::{Balancer, FleetError, Upstream, UpstreamStatus};
use crate::web::extract::{Json, Path};
use crate::web::problem::{self, Problem};

/// How long a request to drain waits for the clone to finish.
const DRAIN: Duration = Duration::from_secs(30);

/// The door of a balancer that is alone.
pub fn router(balancer: Arc<Balancer>) -> Router {
    for_programs_only(problem::fallbacks(routes(balancer)))
}

/// `GET` and `POST /upstreams`, `DELETE /upstreams/{name}`, `POST /upstreams/{name}/drain` and `/resume`, `GET /metrics`.
pub(crate) fn routes(balancer: Arc<Balancer>) -> Router {
    Router::new()
        .route("/upstreams", get(list).post(add))
        .route("/upstreams/{name}", delete(remove))
        .route("/upstreams/{name}/drain", post(drain))
        .route("/upstreams/{name}/resume", post(resume))
        .route("/metrics", get(metrics))
        .with_state(balancer)
}

/// Keeps browsers out of a router.
pub(crate) fn for_programs_only(router: Router) -> Router {
    router.layer(map_request(refuse_browsers))
}

/// A browser says in `Origin` which page makes it ask; nobody else has a reason to.
async fn refuse_browsers(request: Request) -> Result<Request, Problem> {
    if request.headers().contains_key(ORIGIN) {
        let detail = "this door is for programs and not for pages; ask with `curl`, without an `Origin` header";
        return Err(Problem::forbidden(detail));
    }
    Ok(request)
}

/// A list as everywhere in the workshop; all of it is in one answer.
#[derive(Serialize)]
struct List {
    items: Vec<UpstreamStatus>,
}

async fn list(State(balancer): State<Arc<Balancer>>) -> Json<List> {
    let items = balancer.status();
    Json(List { items })
}

/// A clone that is to be added.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUpstream {
    name: String,
    addr: SocketAddr,
    weight: Option<u32>,
}

async fn add(
    State(balancer): State<Arc<Balancer>>,
    Json(new): Json<NewUpstream>,
) -> Result<Response, Problem> {
    let weight = new.weight.unwrap_or(1);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if new.name.is_empty() || !new.name.chars().all(is_plain) {
        let detail = "`name` takes A-Z, a-z, 0-9 and `._-@`, such as `clone-4`";
        return Err(Problem::unprocessable(detail));
    }
    if !(1..=1000).contains(&weight) {
        return Err(Problem::unprocessable("`weight` takes 1 to 1000"));
    }
    balancer.add(Upstream::new(&new.name, new.addr).with_weight(weight))?;
    let location = format!("/upstreams/{}", new.name);
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

async fn remove(
    State(balancer): State<Arc<Balancer>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    balancer.remove(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Answers when the clone has finished what it had. A client that does not wait leaves it draining.
async fn drain(
    State(balancer): State<Arc<Balancer>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let Ok(drained) = tokio::time::timeout(DRAIN, balancer.drain(&name)).await else {
        let told = format!(
            "{name} gets nothing new, and is busy since {DRAIN:?}; `GET /upstreams` tells how it goes on\n"
        );
        return Ok((StatusCode::ACCEPTED, told).into_response());
    };
    drained?;
    Ok(format!("{name} has nothing in flight, and gets nothing new\n").into_response())
}

async fn resume(
    State(balancer): State<Arc<Balancer>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    balancer.resume(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn metrics(State(balancer): State<Arc<Balancer>>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, METRICS_TYPE)],
        UpstreamMetrics::text(&balancer),
    )
}

impl From<FleetError> for Problem {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::NameTaken(_) => Problem::new(StatusCode::CONFLICT, error.to_string()),
            FleetError::Unknown(_) => Problem::not_found(error.to_string()),
        }
    }
}
