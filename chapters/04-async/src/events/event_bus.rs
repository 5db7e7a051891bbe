//! The interface of publish/subscribe: [`EventBus`] and [`Subscription`].

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::queue::{Delivery, QueueError};

/// A fact: something that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Identifies the event. A consumer recognizes a second delivery by it.
    pub id: Uuid,
    /// What happened, as words with dots between them, such as `rsvp.created`.
    pub topic: String,
    /// The details of the event, as JSON.
    pub payload: Value,
}

/// Publishes events, and subscribes to them.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Publishes an event. After `Ok`, every queue with a matching pattern has it. An event without
    /// a subscriber is not an error.
    async fn publish(&self, event: &Event) -> Result<(), QueueError>;

    /// Creates the queue if it is missing, binds it to `pattern` (see [`topic`](super::topic)), and
    /// consumes it. The queue outlives the subscription, and collects events without a consumer.
    async fn subscribe(
        &self,
        queue: &str,
        pattern: &str,
    ) -> Result<Box<dyn Subscription>, QueueError>;
}

/// One consumer of a queue of events.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Waits for the next event. Cancel-safe. The caller may hold other deliveries meanwhile.
    async fn receive(&self) -> Result<Delivery<Event>, QueueError>;
}
