//! Why an operation on the broker failed, and the time-out of every operation.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::queue::QueueError;

/// The time-out of every call to the broker, connecting included. After it the broker counts as
/// unavailable.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the broker did not do what it was asked. As a [`QueueError`] each becomes `Unavailable`.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The URL of the broker is malformed. It is not shown, because it may contain a password.
    #[error("invalid RabbitMQ address; write amqp://USER:PASSWORD@HOST:PORT/VHOST")]
    InvalidAddress,
    /// The broker did not reply in time: it hangs, or the network drops its packets.
    #[error("the broker did not {operation} within {} seconds", OPERATION_TIMEOUT.as_secs())]
    Timeout {
        /// What the broker was asked to do.
        operation: &'static str,
    },
    /// The broker is down, refused the operation, or closed the connection.
    #[error("the broker refused the operation, or the connection to it failed")]
    Failed(#[from] lapin::Error),
    /// No queue took the message, so the broker discarded it: the queue or its binding was deleted.
    #[error("the broker has no queue for {0:?}; the next message declares it again")]
    Unroutable(String),
    /// A queue refused the message: it is full, or not ready, as in the first moments after its
    /// declaration or after a restart of the broker.
    #[error("the queue {0:?} refused the message; it is full or not ready yet")]
    Rejected(String),
    /// The channel of a delivered message is closed, so the message cannot be acknowledged any
    /// more.
    #[error("the connection that delivered this message is closed; the broker delivers it again")]
    ConnectionLost,
}

impl From<RabbitError> for QueueError {
    fn from(error: RabbitError) -> Self {
        QueueError::Unavailable(error.into())
    }
}

/// Applies [`OPERATION_TIMEOUT`]. The error message says that the broker did not do `operation`.
pub(crate) async fn with_timeout<T, E: Into<RabbitError>>(
    operation: &'static str,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, RabbitError> {
    match timeout(OPERATION_TIMEOUT, future).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(RabbitError::Timeout { operation }),
    }
}
