//! For those who run the store: readiness, metrics, the interface's description.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::balancer::admin::METRICS_CONTENT_TYPE;
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::describe::AWAY;
use super::{CloneState, unavailable};

/// Readiness: whether this clone can serve requests, which takes its databases.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses(
    (status = 200, description = "Ready", body = String, content_type = "text/plain", example = "ready"),
    (status = 503, description = "A database does not answer"),
))]
pub(super) async fn readyz(State(state): State<CloneState>) -> Result<&'static str, Problem> {
    state.services.health.check().await.map_err(unavailable)?;
    Ok("ready")
}

/// What the store has counted. The text is OpenMetrics, which Prometheus reads as it reads its own older format.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
    (status = 503, description = AWAY),
))]
pub(super) async fn metrics(State(state): State<CloneState>) -> Result<Response, Problem> {
    let orders = state
        .services
        .orders
        .count_by_shard()
        .await
        .map_err(unavailable)?;
    let kind = HeaderValue::from_static(METRICS_CONTENT_TYPE);
    Ok(([(CONTENT_TYPE, kind)], state.metrics.encode(&orders)).into_response())
}

/// `GET /openapi.json`
pub(super) fn openapi(document: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, kind)], document).into_response()
}
