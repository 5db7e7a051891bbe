//! The job queue for one process: a list in memory.
//!
//! The list is lost when the process ends, and no other process can reach it. `ch05-full` makes up
//! for that: at start it puts the unfinished jobs of its [`JobStore`](crate::JobStore) back on the
//! queue.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::delivery::{AckHandle, Delivery};
use super::error::QueueError;
use super::job_queue::JobQueue;
use crate::jobs::JobMessage;

/// A bounded queue in this process's memory. Clones share the list.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    /// Messages that no worker holds. A delivered message is in its [`MemoryAckHandle`].
    waiting: Mutex<VecDeque<JobMessage>>,
    /// Wakes one waiting worker. `Notify` stores at most one wake-up, not one for each message. So
    /// a worker that takes a message and leaves others behind wakes the next worker.
    message_arrived: Notify,
    capacity: usize,
}

impl MemoryQueue {
    /// A queue for at most `capacity` waiting messages. The bound makes an overload visible before
    /// the memory is full.
    pub fn new(capacity: usize) -> Self {
        MemoryQueue {
            shared: Arc::new(Shared {
                waiting: Mutex::default(),
                message_arrived: Notify::new(),
                capacity,
            }),
        }
    }

    /// Puts back messages that an earlier queue has confirmed. The capacity does not apply to them:
    /// a confirmed message may not be refused.
    pub fn restore(&self, messages: impl IntoIterator<Item = JobMessage>) {
        self.shared.waiting.lock().extend(messages);
        self.shared.message_arrived.notify_one();
    }

    /// How many messages wait for a worker.
    pub fn len(&self) -> usize {
        self.shared.waiting.lock().len()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl JobQueue for MemoryQueue {
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError> {
        let mut waiting = self.shared.waiting.lock();
        if waiting.len() >= self.shared.capacity {
            return Err(QueueError::Full(waiting.len()));
        }
        waiting.push_back(message.clone());
        // Unlock before the wake-up, or the woken worker would first wait for this lock.
        drop(waiting);
        self.shared.message_arrived.notify_one();
        Ok(())
    }

    async fn receive(&self) -> Result<Delivery<JobMessage>, QueueError> {
        loop {
            if let Some(message) = self.shared.take() {
                let handle = MemoryAckHandle {
                    shared: self.shared.clone(),
                    message: Some(message.clone()),
                };
                return Ok(Delivery::new(message, Box::new(handle)));
            }
            // A message that arrives between `take` and this line leaves a wake-up behind. Two
            // messages leave only one, while two workers may be here: `take` wakes the second.
            self.shared.message_arrived.notified().await;
        }
    }
}

impl Shared {
    /// Takes the message at the front, and wakes another worker if more messages wait.
    fn take(&self) -> Option<JobMessage> {
        let mut waiting = self.waiting.lock();
        let message = waiting.pop_front()?;
        let more_messages_wait = !waiting.is_empty();
        drop(waiting);
        if more_messages_wait {
            // This wake-up may be unnecessary, which costs little. A missing one would leave a
            // worker asleep while a job waits.
            self.message_arrived.notify_one();
        }
        Some(message)
    }
}

/// Holds a delivered message until the worker acknowledges or returns it.
struct MemoryAckHandle {
    shared: Arc<Shared>,
    message: Option<JobMessage>,
}

#[async_trait]
impl AckHandle for MemoryAckHandle {
    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        self.message = None;
        Ok(())
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), QueueError> {
        if let Some(message) = self.message.take() {
            self.shared.waiting.lock().push_back(message);
            self.shared.message_arrived.notify_one();
        }
        Ok(())
    }
}

impl Drop for MemoryAckHandle {
    fn drop(&mut self) {
        // The capacity does not apply here either, as in `restore`.
        if let Some(message) = self.message.take() {
            self.shared.waiting.lock().push_front(message);
            self.shared.message_arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use uuid::Uuid;

    use super::*;

    /// With two threads, each would have to stop between two lines of `receive`. This test takes
    /// the steps of both workers one by one instead.
    #[tokio::test]
    async fn two_messages_wake_two_workers() {
        let queue = MemoryQueue::new(10);
        assert!(
            queue.shared.take().is_none(),
            "the first worker finds no message"
        );
        assert!(
            queue.shared.take().is_none(),
            "the second worker finds no message"
        );
        let messages = [1, 2].map(|n| JobMessage {
            id: Uuid::from_u128(n),
            job: "job".to_owned(),
            customer: "ada".to_owned(),
        });
        for message in &messages {
            queue.publish(message).await.unwrap();
        }

        let (mut first, mut second) = (
            pin!(queue.shared.message_arrived.notified()),
            pin!(queue.shared.message_arrived.notified()),
        );
        assert!(poll!(&mut first).is_ready());
        assert!(
            poll!(&mut second).is_pending(),
            "two calls of `publish` leave one wake-up behind"
        );
        assert_eq!(queue.shared.take().as_ref(), Some(&messages[0]));

        assert!(
            poll!(&mut second).is_ready(),
            "a worker sleeps while a job waits: does the first worker wake the second?"
        );
        assert_eq!(queue.shared.take().as_ref(), Some(&messages[1]));
    }
}
