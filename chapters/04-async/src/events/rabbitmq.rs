//! The event bus in RabbitMQ: a topic exchange, and a durable queue for each subscriber.

use std::sync::Arc;

use async_trait::async_trait;

use super::event_bus::{Event, EventBus, Subscription};
use crate::queue::{Delivery, QueueError};
use crate::rabbitmq::{
    BrokerConnection, ConfirmedPublisher, ConsumerPool, EVENTS, OutgoingMessage, RabbitError,
    Topology,
};

/// Each consumer holds one event at a time, because sending a notification takes long compared with
/// the round trip to the broker.
const PREFETCH: u16 = 1;

/// The exchange of events in a RabbitMQ server. One value serves a whole process.
pub struct RabbitEventBus {
    url: String,
    publisher: Arc<ConfirmedPublisher>,
}

impl RabbitEventBus {
    /// The event bus of the broker at `url`. The first use connects.
    pub fn new(url: &str) -> Result<Self, RabbitError> {
        let connection = BrokerConnection::new(url, "events: publishing")?;
        Ok(RabbitEventBus {
            publisher: Arc::new(ConfirmedPublisher::new(connection, Topology::Events)),
            url: url.to_owned(),
        })
    }
}

#[async_trait]
impl EventBus for RabbitEventBus {
    async fn publish(&self, event: &Event) -> Result<(), QueueError> {
        let body = serde_json::to_vec(event).expect("an event has only string keys");
        let id = event.id.to_string();
        let message = OutgoingMessage {
            exchange: EVENTS,
            routing_key: &event.topic,
            // An event without a subscriber is not an error.
            mandatory: false,
            id: &id,
            body: &body,
        };
        Ok(self.publisher.publish_when_ready(&message).await?)
    }

    async fn subscribe(
        &self,
        queue: &str,
        pattern: &str,
    ) -> Result<Box<dyn Subscription>, QueueError> {
        let topology = Topology::Subscription {
            queue: queue.to_owned(),
            pattern: pattern.to_owned(),
        };
        let connection = BrokerConnection::new(&self.url, "events: consuming")?;
        let publisher = self.publisher.clone();
        let consumers = ConsumerPool::new(connection, topology, queue, PREFETCH, publisher);
        consumers.declare().await?;
        Ok(Box::new(RabbitSubscription(consumers)))
    }
}

struct RabbitSubscription(Arc<ConsumerPool>);

#[async_trait]
impl Subscription for RabbitSubscription {
    async fn receive(&self) -> Result<Delivery<Event>, QueueError> {
        loop {
            let received = self.0.receive().await?;
            match serde_json::from_slice(received.body()) {
                Ok(event) => return Ok(Delivery::new(event, Box::new(received))),
                Err(error) => {
                    let body = String::from_utf8_lossy(received.body()).into_owned();
                    tracing::error!(%error, body, "a message is not an event; it becomes a dead letter");
                    received.dead_letter().await?;
                }
            }
        }
    }
}
