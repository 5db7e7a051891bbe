//! The error of a handler, and the problem document that it becomes.

use std::error::Error;

use axum::response::{IntoResponse, Response};
use ch01_clones::Problem;
use ch01_clones::clone::session::SessionError;
use ch02_database::{GameId, StoreError};

/// Why a handler cannot answer a request.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is wrong (400 to 422), or the queue does not accept a message (503). The
    /// document holds the status.
    Problem(Problem),
    /// A database does not answer: 503 with `Retry-After`.
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

/// 404 for a game id.
pub(super) fn game_not_found(id: GameId) -> Problem {
    Problem::not_found(format!(
        "there is no game {id}; `GET /games` lists the existing games"
    ))
}
