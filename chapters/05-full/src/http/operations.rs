//! Endpoints for operators: readiness, metrics, the OpenAPI document.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::error::ApiError;
use super::state::CloneState;

/// Readiness: this clone can serve requests, because its databases answer.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready", body = String, content_type = "text/plain",
            example = "ready"),
        (status = 503, description = "A database does not answer"),
    ),
)]
pub(super) async fn readyz(State(state): State<CloneState>) -> Result<&'static str, ApiError> {
    state.services.health.check().await?;
    Ok("ready")
}

/// The metrics in the OpenMetrics text format.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "OpenMetrics text", body = String,
            content_type = "application/openmetrics-text"),
    ),
)]
pub(super) async fn metrics(State(state): State<CloneState>) -> Response {
    state.metrics.response(&state.services.orders).await
}

/// The description of this interface for programs.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = Object,
            content_type = "application/json"),
    ),
)]
pub(super) fn openapi(document: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], document).into_response()
}
