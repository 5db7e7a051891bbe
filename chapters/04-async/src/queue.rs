//! The seam behind which the queue stands: [`JobQueue`].
//!
//! The contract is a broker's, even for the version in this process. Publishing returns once the queue has taken the
//! message over. A message that was delivered stays the queue's until it is acknowledged, and goes to another worker if the
//! first one is lost. So a job may be delivered twice, and workers have to live with that. What exactly is promised stands, as code,
//! in [`contract`](crate::contract). Left out: priorities, and an order among several workers: a broker sends ahead, so that what one
//! of them gives back may reach the others late.

use std::error::Error;

use async_trait::async_trait;

use crate::job::JobMessage;

/// A queue of jobs, shared by many publishers and many workers.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Hands a message over. When this returns `Ok`, the queue has confirmed it and the publisher may forget it.
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError>;

    /// Waits for the next message. Cancel-safe: a message that nobody received in the end stays on the queue.
    async fn receive(&self) -> Result<Delivery, QueueError>;
}

/// A message in a worker's hands. Dropping it gives it back to the front of the queue, as soon as the queue notices: a worker that is
/// killed drops everything, and its job has waited longest.
pub struct Delivery {
    /// The message.
    pub message: JobMessage,
    receipt: Box<dyn Receipt>,
}

impl Delivery {
    /// A delivery whose acknowledgement goes through `receipt`.
    pub fn new(message: JobMessage, receipt: Box<dyn Receipt>) -> Self {
        Delivery { message, receipt }
    }

    /// Tells the queue that the work is done and the message may be forgotten. Call it after the work, never before.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }

    /// Gives the message back, behind all others that wait. For a job that failed: at the front it would be tried again at once, and
    /// keep the jobs behind it waiting although nothing is wrong with them. After an error it may be there twice.
    pub async fn requeue(self) -> Result<(), QueueError> {
        self.receipt.requeue().await
    }
}

/// The way back to the queue for one delivery. Dropped without a word, it gives the message back to the front.
#[async_trait]
pub trait Receipt: Send + Sync {
    /// Forgets the message.
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;

    /// Puts the message behind all others. Never refused for want of room, since the message was confirmed once: a broker that has none
    /// may put it at the front.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError>;
}

/// Why a queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The queue holds as much as it may. The publisher should slow down: HTTP 503 with `Retry-After`.
    #[error("the queue is full ({0} jobs are waiting)")]
    Full(usize),
    /// The broker is away or did not confirm. The message may or may not be on the queue: HTTP 503.
    #[error("the broker is away, or did not confirm")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl QueueError {
    /// The error and what caused it, in one line for a log. Customers get the plain error: causes name servers.
    pub fn with_causes(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}
