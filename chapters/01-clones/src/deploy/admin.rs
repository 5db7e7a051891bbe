//! The admin API of a supervised application: `GET /clones` and `POST /deploy`, and a client for
//! the latter.
//!
//! The response to `POST /deploy` is text that grows during the deploy, one line per step. The last
//! line says how the deploy ended. If the client disconnects, the deploy continues, because a half
//! deploy is worse than none. There is no authentication: see [`balancer::admin`](admin).

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
use common::error_chain;
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

/// The start of the last line of a successful deploy.
const SUCCESS_PREFIX: &str = "done: ";

/// The balancer's [admin API](admin::router), with `GET /clones` and `POST /deploy` added.
pub fn router(supervisor: &Arc<Supervisor>) -> Router {
    let routes = Router::new()
        .route("/clones", get(clones))
        .route("/deploy", post(deploy))
        .with_state(Arc::clone(supervisor));
    let routes = admin::routes(Arc::clone(supervisor.balancer())).merge(routes);
    admin::refuse_browsers(problem::fallbacks(routes))
}

#[derive(Serialize)]
struct CloneList {
    items: Vec<RunningClone>,
}

async fn clones(State(supervisor): State<Arc<Supervisor>>) -> Json<CloneList> {
    let items = supervisor.running();
    Json(CloneList { items })
}

/// The body of `POST /deploy`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeployRequest {
    /// The artefact's folder.
    artifact: PathBuf,
}

async fn deploy(
    State(supervisor): State<Arc<Supervisor>>,
    Json(request): Json<DeployRequest>,
) -> Result<Response, Problem> {
    let opening = tokio::task::spawn_blocking(move || Artifact::open(&request.artifact)).await;
    let artifact = opening
        .map_err(|_| Problem::unavailable("cannot read the artefact; try again in a second"))?
        .map_err(|error| Problem::unprocessable(error_chain(&error)))?;
    if supervisor.is_deploying() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "another deploy is in progress; try again when it is over",
        ));
    }
    let (sender, lines) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        let version = artifact.release().version.clone();
        let report = |line: String| drop(sender.send(line + "\n"));
        let outcome = supervisor
            .deploy(&artifact, &RolloutPolicy::default(), report)
            .await;
        report(match outcome {
            DeployOutcome::Deployed => format!("{SUCCESS_PREFIX}all clones run {version}"),
            DeployOutcome::RolledBack { reason } => format!("rolled back: {reason}"),
            DeployOutcome::RollbackFailed { reason } => {
                format!("the rollback failed, look at `GET /clones`: {reason}")
            }
            DeployOutcome::Busy => "not started: another deploy is in progress".to_owned(),
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

/// Why a deploy did not start or did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum DeployRequestError {
    /// No application listens at the address.
    #[error(
        "no application listens at {0}; start one with `cargo run -p ch01-clones -- serve`, or give its admin address with `--admin`"
    )]
    NotRunning(SocketAddr, #[source] std::io::Error),
    /// The connection broke during the deploy, which may continue.
    #[error("the connection broke during the deploy; `GET /clones` shows its progress")]
    Disconnected(#[from] hyper::Error),
    /// The application rejected the request.
    #[error("{0}")]
    Rejected(String),
    /// The deploy ended without success.
    #[error("the deploy failed; the last line says why")]
    Failed,
}

/// Sends `POST /deploy` to the admin API at `admin`, passes each line of the response to `report`,
/// and returns when the deploy has succeeded.
pub async fn request_deploy(
    admin: SocketAddr,
    artifact: &std::path::Path,
    mut report: impl FnMut(&str),
) -> Result<(), DeployRequestError> {
    let stream = TcpStream::connect(admin)
        .await
        .map_err(|error| DeployRequestError::NotRunning(admin, error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = serde_json::json!({ "artifact": artifact }).to_string();
    let request = Request::post("/deploy")
        .header(HOST, admin.to_string())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("path and headers are valid");
    let mut response = sender.send_request(request).await?;
    if !response.status().is_success() {
        let body = response.into_body().collect().await?.to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let detail = problem["detail"].as_str().map(ToOwned::to_owned);
        return Err(DeployRequestError::Rejected(
            detail.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()),
        ));
    }
    let (mut text, mut last) = (String::new(), String::new());
    while let Some(frame) = response.frame().await {
        if let Ok(piece) = frame?.into_data() {
            text.push_str(&String::from_utf8_lossy(&piece));
        }
        while let Some((line, rest)) = text.split_once('\n') {
            report(line);
            line.clone_into(&mut last);
            text = rest.to_owned();
        }
    }
    if last.starts_with(SUCCESS_PREFIX) {
        return Ok(());
    }
    Err(DeployRequestError::Failed)
}
