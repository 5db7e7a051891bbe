//! A delivered message, and how its consumer answers the queue.

use async_trait::async_trait;

use super::error::QueueError;

/// A message that one consumer holds.
///
/// If the consumer drops the delivery, for example because the process is killed, the queue puts
/// the message back at the front: this message has waited longest.
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    handle: Box<dyn AckHandle>,
}

impl<M> Delivery<M> {
    /// A delivery that is acknowledged through `handle`.
    pub fn new(message: M, handle: Box<dyn AckHandle>) -> Self {
        Delivery { message, handle }
    }

    /// Tells the queue that the work is done and that it may forget the message. Call it after the
    /// work, never before.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.handle.ack().await
    }

    /// Puts the message back, behind all waiting messages of this queue. After an error the message
    /// may be on the queue twice.
    ///
    /// Use it for a failed attempt. At the front, a failing job would be tried again at once and
    /// would keep the jobs behind it waiting.
    pub async fn requeue(self) -> Result<(), QueueError> {
        self.handle.requeue().await
    }
}

/// Acknowledges one delivery, or returns it. Dropping the handle returns the message to the front.
#[async_trait]
pub trait AckHandle: Send + Sync {
    /// Removes the message from the queue.
    async fn ack(self: Box<Self>) -> Result<(), QueueError>;

    /// Puts the message behind all others. A full queue accepts it too, because the message was
    /// confirmed once. A broker without room may put it at the front.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError>;
}
