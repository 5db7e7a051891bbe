//! The error of every store.

use std::error::Error;
use std::time::Duration;

/// Why a store cannot answer. A missing game or order is not an error: the store returns `None`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The server is down, out of connections or out of disk space. A retry may succeed.
    /// Becomes HTTP 503.
    #[error("the database cannot answer right now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// `COMMIT` was sent, and its confirmation is missing. The write may have been done, so a retry
    /// needs an idempotency key or a read before it. Becomes HTTP 503 with a text of its own.
    #[error("the database did not confirm a write; its outcome is unknown")]
    UnknownOutcome(#[source] Box<dyn Error + Send + Sync>),
    /// No replica could answer in time, and too many other reads already ask the primary. The
    /// limit keeps the primary free for writes. Becomes HTTP 503 with `Retry-After`.
    #[error("too many reads ask the primary; try again in {retry_after:?}")]
    Overloaded {
        /// When the same read may succeed.
        retry_after: Duration,
    },
    /// The stored data does not have the expected form. A retry does not help; an operator must
    /// look. Becomes HTTP 503 too, because the client cannot correct the request.
    #[error("the database holds unexpected data: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Wraps a driver's error.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StoreError::Unavailable(cause.into())
    }
}
