//! The error of a handler, and the problem document that it becomes.

use std::error::Error;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::clone::session::SessionError;
use ch02_database::{GameId, StoreError};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

/// What a client must know about a write whose outcome is unknown.
const UNKNOWN_OUTCOME: &str = "the outcome of this write is unknown: it may have been done; read \
    the data again, or repeat an order with the same Idempotency-Key";

/// Why a handler cannot answer a request.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is wrong (400 to 422), or the queue does not accept a message (503). The
    /// document holds the status.
    Problem(Problem),
    /// A database does not answer: 503 with `Retry-After`. If it did not confirm a write: 503
    /// without this header.
    Store(StoreError),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        ApiError::Problem(problem)
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        ApiError::Problem(error.into())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ApiError::Store(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = match self {
            ApiError::Problem(problem) => problem,
            ApiError::Store(StoreError::Overloaded { retry_after }) => overloaded(retry_after),
            ApiError::Store(error @ StoreError::UnknownOutcome(_)) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "the outcome of a write is unknown"
                );
                // Without `Retry-After`: a client that just repeats the write may write twice.
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, UNKNOWN_OUTCOME)
            }
            ApiError::Store(error) => {
                // The error names files and hosts, so it goes to the log and not to the client.
                tracing::error!(error = &error as &dyn Error, "a database failed");
                Problem::unavailable(
                    "a part of the store does not answer right now; try again in a second",
                )
            }
        };
        problem.into_response()
    }
}

/// 503 that names the wait. The header has whole seconds, so the wait is rounded up: a client must
/// not come back too early, and `0` would mean at once.
fn overloaded(retry_after: Duration) -> Problem {
    let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
    let detail = format!("too many reads wait for the primary database; try again in {seconds} s");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .with_header(RETRY_AFTER, HeaderValue::from(seconds))
}

/// 404 for a game id.
pub(super) fn game_not_found(id: GameId) -> Problem {
    Problem::not_found(format!(
        "there is no game {id}; `GET /games` lists the existing games"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_becomes_503_with_its_wait() {
        for (wait, header) in [
            (0, "1"),
            (999, "1"),
            (1000, "1"),
            (1001, "2"),
            (30_000, "30"),
        ] {
            let retry_after = Duration::from_millis(wait);
            let response = ApiError::from(StoreError::Overloaded { retry_after }).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[RETRY_AFTER], header, "after {wait} ms");
        }
    }

    #[tokio::test]
    async fn unknown_outcome_is_named_to_the_client() {
        let lost = StoreError::UnknownOutcome("the connection was lost".into());
        let response = ApiError::from(lost).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!response.headers().contains_key(RETRY_AFTER));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
        for part in ["outcome of this write is unknown", "Idempotency-Key"] {
            assert!(body.contains(part), "{body}");
        }
    }
}
