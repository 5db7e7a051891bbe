//! The single-machine version of publish/subscribe: a list for each queue, in this process.
//!
//! It keeps a broker's contract except for the one thing that a broker is for: when the process ends, the events that wait end with
//! it, and no other process can subscribe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::events::{Event, EventDelivery, Events, Subscription, fits};
use crate::queue::{QueueError, Receipt};

/// How many events may wait in one queue. The oldest makes room for the newest: a subscriber that stays away must not stop the
/// publisher.
const WAITING_EVENTS: usize = 10_000;

/// Publish/subscribe in this process. Clones share the queues.
#[derive(Clone, Default)]
pub struct MemoryEvents {
    queues: Arc<Mutex<BTreeMap<String, Bound>>>,
}

/// A queue and the patterns that bring it its events.
#[derive(Default)]
struct Bound {
    patterns: BTreeSet<String>,
    queue: Arc<EventQueue>,
}

struct EventQueue {
    waiting: Mutex<VecDeque<Event>>,
    /// As many permits as events wait. Whoever gets one may take one.
    there: Semaphore,
}

impl Default for EventQueue {
    fn default() -> Self {
        EventQueue {
            waiting: Mutex::default(),
            there: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl Events for MemoryEvents {
    async fn publish(&self, event: &Event) -> Result<(), QueueError> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for bound in queues.values() {
            // One copy for a queue, however many of its patterns the event fits.
            if bound
                .patterns
                .iter()
                .any(|pattern| fits(pattern, &event.topic))
            {
                bound.queue.push_back(event.clone());
            }
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        queue: &str,
        pattern: &str,
    ) -> Result<Box<dyn Subscription>, QueueError> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = queues.entry(queue.to_owned()).or_default();
        bound.patterns.insert(pattern.to_owned());
        Ok(Box::new(MemorySubscription(bound.queue.clone())))
    }
}

struct MemorySubscription(Arc<EventQueue>);

#[async_trait]
impl Subscription for MemorySubscription {
    async fn receive(&self) -> Result<EventDelivery, QueueError> {
        // Dropped while it waits, `acquire` takes nothing; and from here on there is no `await` before the event is in a receipt.
        let permit = self
            .0
            .there
            .acquire()
            .await
            .expect("nobody closes the semaphore");
        permit.forget();
        let event = self
            .0
            .waiting()
            .pop_front()
            .expect("a permit stands for an event");
        let receipt = EventReceipt {
            queue: self.0.clone(),
            event: Some(event.clone()),
        };
        Ok(EventDelivery::new(event, Box::new(receipt)))
    }
}

impl EventQueue {
    fn push_back(&self, event: Event) {
        let mut waiting = self.waiting();
        waiting.push_back(event);
        if waiting.len() > WAITING_EVENTS
            && let Ok(permit) = self.there.try_acquire()
        {
            permit.forget();
            waiting.pop_front();
        }
        self.there.add_permits(1);
    }

    fn push_front(&self, event: Event) {
        self.waiting().push_front(event);
        self.there.add_permits(1);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a delivered event until its consumer says what became of it.
struct EventReceipt {
    queue: Arc<EventQueue>,
    event: Option<Event>,
}

#[async_trait]
impl Receipt for EventReceipt {
    async fn ack(mut self: Box<Self>) -> Result<(), QueueError> {
        self.event = None;
        Ok(())
    }

    async fn requeue(mut self: Box<Self>) -> Result<(), QueueError> {
        if let Some(event) = self.event.take() {
            self.queue.push_back(event);
        }
        Ok(())
    }
}

impl Drop for EventReceipt {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.queue.push_front(event);
        }
    }
}
