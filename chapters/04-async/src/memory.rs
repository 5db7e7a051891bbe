//! The single-machine queue: a list in this process.
//!
//! It keeps a broker's contract except for the one thing that a broker is for: when the process ends, the list ends with
//! it, and no other process can reach it. `ch05-full` makes up for that by putting unfinished jobs from the
//! [`JobBoard`](crate::JobBoard) back on the queue when it starts.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::job::JobMessage;
use crate::queue::{Delivery, JobQueue, QueueError, Receipt};

/// A bounded queue in this process's memory.
#[derive(Clone)]
pub struct MemoryQueue {
    shared: Arc<Shared>,
}

struct Shared {
    /// Messages that no worker holds. A message in a worker's hands lives in its [`MemoryReceipt`].
    waiting: Mutex<VecDeque<JobMessage>>,
    /// Wakes one waiting worker. It remembers a single wake-up that nobody waited for, not one for each message, so whoever takes
    /// a message and leaves others behind passes the wake-up on.
    arrived: Notify,
    capacity: usize,
}

impl MemoryQueue {
    /// A queue on which at most `capacity` messages wait. Bounded, because a queue without a bound hides an overload until the
    /// memory is gone.
    pub fn new(capacity: usize) -> Self {
        MemoryQueue {
            shared: Arc::new(Shared {
                waiting: Mutex::default(),
                arrived: Notify::new(),
                capacity,
            }),
        }
    }

    /// Puts messages back that were confirmed before, by a queue that is gone: past the bound if need be, for what was
    /// confirmed once may not be refused now.
    pub fn restore(&self, messages: impl IntoIterator<Item = JobMessage>) {
        self.shared.waiting().extend(messages);
        self.shared.arrived.notify_one();
    }

    /// How many messages wait for a worker.
    pub fn len(&self) -> usize {
        self.shared.waiting().len()
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[async_trait]
impl JobQueue for MemoryQueue {
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError> {
        let mut waiting = self.shared.waiting();
        if waiting.len() >= self.shared.capacity {
            return Err(QueueError::Full(waiting.len()));
        }
        waiting.push_back(message.clone());
        // Let the lock go before the wake-up, or the woken worker's first act would be to wait for us.
        drop(waiting);
        self.shared.arrived.notify_one();
        Ok(())
    }

    async fn receive(&self) -> Result<Delivery, QueueError> {
        loop {
            if let Some(message) = self.shared.take() {
                let receipt = MemoryReceipt {
                    shared: self.shared.clone(),
                    message: Some(message.clone()),
                };
                return Ok(Delivery::new(message, Box::new(receipt)));
            }
            // A message that comes between the look and this line leaves a wake-up behind. If two come, there is still only
            // one, and two workers may be at this line: then the first passes it on (see `take`).
            self.shared.arrived.notified().await;
        }
    }
}

impl Shared {
    /// The message at the front, if there is one.
    fn take(&self) -> Option<JobMessage> {
        let mut waiting = self.waiting();
        let message = waiting.pop_front()?;
        let more = !waiting.is_empty();
        drop(waiting);
        if more {
            // Perhaps nobody sleeps, or that worker would have been woken anyway. A look too many costs little; a look too
            // few would leave a worker asleep beside a waiting job.
            self.arrived.notify_one();
        }
        Some(message)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<JobMessage>> {
        // A panic while the lock was held cannot have left the list half changed: each change is a single call.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a delivered message until the worker says what became of it.
struct MemoryReceipt {
    shared: Arc<Shared>,
    message: Option<JobMessage>,
}

#[async_trait]
impl Receipt for MemoryReceipt {
    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        self.message = None;
        Ok(())
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), QueueError> {
        if let Some(message) = self.message.take() {
            self.shared.waiting().push_back(message);
            self.shared.arrived.notify_one();
        }
        Ok(())
    }
}

impl Drop for MemoryReceipt {
    fn drop(&mut self) {
        // Its worker is gone: back to the front, for it has waited longest. Past the bound, as in `restore`.
        if let Some(message) = self.message.take() {
            self.shared.waiting().push_front(message);
            self.shared.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use std::pin::pin;
    use uuid::Uuid;

    use super::*;

    /// The interleaving needs two threads, each stopped between two lines of `receive`. Here its steps are taken by hand instead.
    #[tokio::test]
    async fn two_messages_wake_two_workers_that_had_both_looked_but_did_not_sleep_yet() {
        let queue = MemoryQueue::new(10);
        assert!(queue.shared.take().is_none(), "the first worker looks");
        assert!(queue.shared.take().is_none(), "the second worker looks");
        let messages = [1, 2].map(|n| JobMessage {
            id: Uuid::from_u128(n),
            job: "job".to_owned(),
            customer: "ada".to_owned(),
        });
        for message in &messages {
            queue.publish(message).await.unwrap();
        }

        let (mut first, mut second) = (
            pin!(queue.shared.arrived.notified()),
            pin!(queue.shared.arrived.notified()),
        );
        assert!(poll!(&mut first).is_ready());
        assert!(
            poll!(&mut second).is_pending(),
            "two publishes leave one wake-up behind"
        );
        assert_eq!(queue.shared.take().as_ref(), Some(&messages[0]));

        assert!(
            poll!(&mut second).is_ready(),
            "a worker sleeps beside a waiting job: did the first one pass the wake-up on?"
        );
        assert_eq!(queue.shared.take().as_ref(), Some(&messages[1]));
    }
}
