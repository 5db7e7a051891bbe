//! The interface of the job queue.
//!
//! The contract is that of a broker, also for the queue in this process. The queue keeps a
//! delivered message until the worker acknowledges it. If the worker is lost, another worker gets
//! the message. So a job can be delivered twice, and every worker must cope with that.

use async_trait::async_trait;

use super::delivery::Delivery;
use super::error::QueueError;
use crate::jobs::JobMessage;

/// A queue of jobs, shared by many publishers and many workers.
///
/// [`contract`](crate::contract) states the promises as code. The order among several workers is
/// not promised: a broker sends messages ahead, so a returned message can arrive late at the
/// others.
#[async_trait]
pub trait JobQueue: Send + Sync + 'static {
    /// Hands a message over. After `Ok` the queue has confirmed it, and the publisher may forget
    /// it.
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError>;

    /// Waits for the next message. Cancel-safe: if the caller drops the future, the message stays
    /// on the queue.
    async fn receive(&self) -> Result<Delivery<JobMessage>, QueueError>;
}
