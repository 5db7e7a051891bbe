//! Where a deploy begins: `POST /deploy` at the site's other door, and the few lines that ask for it.
//!
//! The answer is text that grows while the deploy goes on, one line for each step, and its last line says how it ended. Whoever asked may
//! leave; the deploy goes on, because half a deploy is worse than none.
//!
//! Left out: everything that [`balancer::admin`](crate::balancer::admin) leaves out, who may do this above all.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::artifact::Artifact;
use super::rollout::{DeployOutcome, RolloutPolicy};
use super::supervisor::{RunningClone, Supervisor};
use crate::balancer::admin;
use crate::web::extract::Json;
use crate::web::problem::{self, Problem};

/// The last line of a deploy that went well begins so.
const DONE: &str = "done: ";

/// The balancer's own [door](admin::router), with `GET /clones` and `POST /deploy` beside it.
pub fn router(site: &Arc<Supervisor>) -> Router {
    let routes = Router::new()
        .route("/clones", get(clones))
        .route("/deploy", post(deploy))
        .with_state(Arc::clone(site));
    let routes = admin::routes(Arc::clone(site.balancer())).merge(routes);
    admin::refuse_browsers(problem::fallbacks(routes))
}

#[derive(Serialize)]
struct List {
    items: Vec<RunningClone>,
}

async fn clones(State(site): State<Arc<Supervisor>>) -> Json<List> {
    let items = site.running().await;
    Json(List { items })
}

/// What shall be everywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    /// The artefact's folder.
    artifact: PathBuf,
}

async fn deploy(
    State(site): State<Arc<Supervisor>>,
    Json(order): Json<Order>,
) -> Result<Response, Problem> {
    let opening = tokio::task::spawn_blocking(move || Artifact::open(&order.artifact)).await;
    let artifact = opening
        .map_err(|_| Problem::unavailable("the artefact could not be read; try again in a second"))?
        .map_err(|error| Problem::unprocessable(chain(&error)))?;
    if site.take().is_none() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "the clones are being changed already; `GET /clones` answers when that is over",
        ));
    }
    let (tell, lines) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        let version = artifact.release().version.clone();
        let say = |line: String| drop(tell.send(line + "\n"));
        let ended = site.deploy(&artifact, &RolloutPolicy::default(), say).await;
        say(match ended {
            DeployOutcome::Everywhere => format!("{DONE}{version} is everywhere"),
            DeployOutcome::RolledBack { because } => format!("rolled back: {because}"),
            DeployOutcome::Stuck { because } => format!("stuck, look at `GET /clones`: {because}"),
            DeployOutcome::Busy => "not begun: the clones are being changed already".to_owned(),
        });
    });
    let lines = stream::unfold(lines, async |mut lines| {
        Some((Ok::<_, Infallible>(Bytes::from(lines.recv().await?)), lines))
    });
    Ok((
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        Body::from_stream(lines),
    )
        .into_response())
}

/// Why a deploy was not asked for, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DeployRequestError {
    /// Nobody listens there.
    #[error(
        "no site answers at {0}; start one with `cargo run -p ch01-clones -- serve`, or name its other door with `--admin`"
    )]
    Away(SocketAddr, #[source] std::io::Error),
    /// The connection broke in the middle. The deploy may go on.
    #[error("the site broke off; look at `GET /clones` how far it has come")]
    BrokeOff(#[from] hyper::Error),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It ended, and not with the new version everywhere.
    #[error("the new release is not everywhere; the last line says why")]
    Failed,
}

/// Asks the site whose other door is at `admin` for a deploy, gives each line to `tell`, and returns when it has ended well.
pub async fn request_deploy(
    admin: SocketAddr,
    artifact: &std::path::Path,
    mut tell: impl FnMut(&str),
) -> Result<(), DeployRequestError> {
    let stream = TcpStream::connect(admin)
        .await
        .map_err(|error| DeployRequestError::Away(admin, error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = serde_json::json!({ "artifact": artifact }).to_string();
    let request = Request::post("/deploy")
        .header(HOST, admin.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("the path and the headers are plain");
    let mut response = sender.send_request(request).await?;
    if !response.status().is_success() {
        let told = response.into_body().collect().await?.to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&told).unwrap_or_default();
        let detail = problem["detail"].as_str().map(ToOwned::to_owned);
        return Err(DeployRequestError::Refused(
            detail.unwrap_or_else(|| String::from_utf8_lossy(&told).into_owned()),
        ));
    }
    let (mut text, mut last) = (String::new(), String::new());
    while let Some(frame) = response.frame().await {
        if let Ok(piece) = frame?.into_data() {
            text.push_str(&String::from_utf8_lossy(&piece));
        }
        while let Some((line, rest)) = text.split_once('\n') {
            tell(line);
            line.clone_into(&mut last);
            text = rest.to_owned();
        }
    }
    if last.starts_with(DONE) {
        return Ok(());
    }
    Err(DeployRequestError::Failed)
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}
