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
    /// Wakes one waiting worker for each message.
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
            // Taken in a statement of its own: the guard must not live across the await below.
            let next = self.shared.waiting().pop_front();
            if let Some(message) = next {
                let receipt = MemoryReceipt {
                    shared: self.shared.clone(),
                    message: Some(message.clone()),
                };
                return Ok(Delivery::new(message, Box::new(receipt)));
            }
            // A wake-up that comes between the look and this line is kept for us: `notify_one` stores one permit. More
            // messages than permits do no harm either, since each worker looks again before it waits.
            self.shared.arrived.notified().await;
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<JobMessage>> {
        // A panic while the lock was held cannot have left the list half changed: each change is a single call.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a delivered message until it is acknowledged.
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
}

impl Drop for MemoryReceipt {
    fn drop(&mut self) {
        // Not acknowledged: back to the front, for it has waited longest. Past the bound if need be: it was confirmed
        // once, so it may not be refused now.
        if let Some(message) = self.message.take() {
            self.shared.waiting().push_front(message);
            self.shared.arrived.notify_one();
        }
    }
}
