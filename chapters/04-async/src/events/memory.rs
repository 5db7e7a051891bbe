//! The event bus for one process: a list in memory for each queue.
//!
//! Waiting events are lost when the process ends, and no other process can subscribe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::event_bus::{Event, EventBus, Subscription};
use super::topic;
use crate::queue::{AckHandle, Delivery, QueueError};

/// How many events may wait in one queue. At the limit the oldest event is dropped, because an
/// absent subscriber must not block the publisher.
const MAX_WAITING_EVENTS: usize = 10_000;

/// Publish/subscribe in this process. Clones share the queues.
#[derive(Clone, Default)]
pub struct MemoryEventBus {
    queues: Arc<Mutex<BTreeMap<String, BoundQueue>>>,
}

/// A queue and the patterns that are bound to it.
#[derive(Default)]
struct BoundQueue {
    patterns: BTreeSet<String>,
    queue: Arc<EventQueue>,
}

struct EventQueue {
    waiting: Mutex<VecDeque<Event>>,
    /// One permit for each waiting event. A consumer acquires a permit, then takes an event.
    available: Semaphore,
}

impl Default for EventQueue {
    fn default() -> Self {
        EventQueue {
            waiting: Mutex::default(),
            available: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl EventBus for MemoryEventBus {
    async fn publish(&self, event: &Event) -> Result<(), QueueError> {
        let queues = self.queues.lock();
        for bound in queues.values() {
            // One copy for each queue, even if several of its patterns match.
            let mut patterns = bound.patterns.iter();
            if patterns.any(|pattern| topic::matches(pattern, &event.topic)) {
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
        let mut queues = self.queues.lock();
        let bound = queues.entry(queue.to_owned()).or_default();
        bound.patterns.insert(pattern.to_owned());
        Ok(Box::new(MemorySubscription(bound.queue.clone())))
    }
}

struct MemorySubscription(Arc<EventQueue>);

#[async_trait]
impl Subscription for MemorySubscription {
    async fn receive(&self) -> Result<Delivery<Event>, QueueError> {
        let queue = &self.0;
        // A dropped `acquire` takes no permit. From here on there is no `await` until the handle
        // holds the event, so a dropped future loses no event.
        let permit = queue.available.acquire().await;
        permit.expect("the semaphore is never closed").forget();
        let event = queue.waiting.lock().pop_front();
        let event = event.expect("each permit stands for one event");
        let handle = EventAckHandle {
            queue: queue.clone(),
            event: Some(event.clone()),
        };
        Ok(Delivery::new(event, Box::new(handle)))
    }
}

impl EventQueue {
    fn push_back(&self, event: Event) {
        let mut waiting = self.waiting.lock();
        waiting.push_back(event);
        if waiting.len() > MAX_WAITING_EVENTS
            && let Ok(permit) = self.available.try_acquire()
        {
            permit.forget();
            waiting.pop_front();
        }
        self.available.add_permits(1);
    }

    fn push_front(&self, event: Event) {
        self.waiting.lock().push_front(event);
        self.available.add_permits(1);
    }
}

/// Holds a delivered event until its consumer acknowledges or returns it.
struct EventAckHandle {
    queue: Arc<EventQueue>,
    event: Option<Event>,
}

#[async_trait]
impl AckHandle for EventAckHandle {
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

impl Drop for EventAckHandle {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            self.queue.push_front(event);
        }
    }
}
