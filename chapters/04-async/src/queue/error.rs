//! Why an operation on a queue failed.

use std::error::Error;

/// Why a queue or an event bus did not do what the caller asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue has reached its capacity. Becomes HTTP 503 with `Retry-After`.
    #[error("the queue is full ({0} jobs are waiting); try again later")]
    Full(usize),
    /// The broker is not reachable or did not confirm. The message may or may not be on the queue.
    /// Becomes HTTP 503.
    #[error("the message broker is unavailable, or did not confirm the message")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
