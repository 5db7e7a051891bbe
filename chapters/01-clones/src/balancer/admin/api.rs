//! The routes of the admin API.
//!
//! HAProxy and Envoy have such an interface too. It must not be reachable for the site's clients,
//! because it can remove all clones. So it has its own address, and it refuses requests from
//! browsers: a web page from anywhere could make a browser send a request to `127.0.0.1`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::map_request;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::header::{CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::metrics::{METRICS_CONTENT_TYPE, UpstreamMetrics};
use crate::balancer::load_balancer::Balancer;
use crate::balancer::membership::MembershipError;
use crate::balancer::upstream::{Upstream, UpstreamStatus};
use crate::web::extract::{Json, Path};
use crate::web::problem::{self, Problem};

/// How long a drain request waits until the clone has no requests in flight.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The admin API of a balancer that runs alone.
pub fn router(balancer: Arc<Balancer>) -> Router {
    refuse_browsers(problem::fallbacks(routes(balancer)))
}

/// `GET` and `POST /upstreams`, `DELETE /upstreams/{name}`, `POST /upstreams/{name}/drain` and
/// `/resume`, `GET /metrics`.
pub(crate) fn routes(balancer: Arc<Balancer>) -> Router {
    Router::new()
        .route("/upstreams", get(list).post(add))
        .route("/upstreams/{name}", delete(remove))
        .route("/upstreams/{name}/drain", post(drain))
        .route("/upstreams/{name}/resume", post(resume))
        .route("/metrics", get(metrics))
        .with_state(balancer)
}

/// Makes a router refuse requests from web pages.
pub(crate) fn refuse_browsers(router: Router) -> Router {
    router.layer(map_request(refuse_web_page))
}

/// Refuses a request with `Origin`, which browsers send and command-line tools do not.
///
/// A page can avoid `Origin` by *DNS rebinding*: its own name suddenly means `127.0.0.1`. But then
/// the browser sends that name in `Host`. So `Host` must be an IP address or `localhost`.
async fn refuse_web_page(request: Request) -> Result<Request, Problem> {
    if request.headers().contains_key(ORIGIN) {
        let detail = "the admin API refuses web pages; use `curl`, and send no `Origin` header";
        return Err(Problem::forbidden(detail));
    }
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let authority = host.map(Authority::try_from);
    // HTTP/1.0 needs no `Host`, and no browser sends HTTP/1.0.
    if authority.is_some_and(|authority| !authority.is_ok_and(|host| is_this_machine(&host))) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the admin API answers under an IP address or `localhost` only; \
             send a `Host` such as `127.0.0.1:9901`",
        ));
    }
    Ok(request)
}

fn is_this_machine(host: &Authority) -> bool {
    let name = host.host();
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

/// All clones. Lists of the workshop have this shape; this one has no pages.
#[derive(Serialize)]
struct List {
    items: Vec<UpstreamStatus>,
}

async fn list(State(balancer): State<Arc<Balancer>>) -> Json<List> {
    let items = balancer.status();
    Json(List { items })
}

/// The body of a request to add a clone.
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
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if new.name.is_empty() || !new.name.chars().all(is_allowed) {
        let detail = "`name` must consist of A-Z, a-z, 0-9 and `._-@`, such as `clone-4`";
        return Err(Problem::unprocessable(detail));
    }
    if !(1..=1000).contains(&weight) {
        return Err(Problem::unprocessable(
            "`weight` must be a number from 1 to 1000",
        ));
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

/// Responds with 200 when the clone is idle, or with 202 after the time-out. The clone goes on
/// draining if the client stops waiting.
async fn drain(
    State(balancer): State<Arc<Balancer>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let Ok(drained) = tokio::time::timeout(DRAIN_TIMEOUT, balancer.drain(&name)).await else {
        let text = format!(
            "{name} is draining, and still has requests in flight after {DRAIN_TIMEOUT:?}; \
             `GET /upstreams` shows how many\n"
        );
        return Ok((StatusCode::ACCEPTED, text).into_response());
    };
    drained?;
    Ok(
        format!("{name} is drained: it has no requests in flight and gets no new ones\n")
            .into_response(),
    )
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
        [(CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        UpstreamMetrics::text(&balancer),
    )
}

impl From<MembershipError> for Problem {
    fn from(error: MembershipError) -> Self {
        match error {
            MembershipError::NameTaken(_) => Problem::new(StatusCode::CONFLICT, error.to_string()),
            MembershipError::UnknownName(_) => Problem::not_found(error.to_string()),
        }
    }
}
