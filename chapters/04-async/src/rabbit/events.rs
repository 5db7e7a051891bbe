//! Events on RabbitMQ: a topic exchange, and a durable queue for each subscriber.

use std::sync::Arc;

use async_trait::async_trait;

use super::connection::{Link, RabbitError};
use super::consumer::Consumers;
use super::publisher::{Letter, Publisher};
use super::topology::{EVENTS, Topology};
use crate::events::{Event, EventDelivery, Events, Subscription};
use crate::queue::QueueError;

/// The exchange of events in a RabbitMQ server. One value serves a whole process.
pub struct RabbitEvents {
    url: String,
    publisher: Arc<Publisher>,
}

impl RabbitEvents {
    /// The events of the broker at `url`. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, RabbitError> {
        Ok(RabbitEvents {
            publisher: Arc::new(Publisher::new(
                Link::to(url, "events: publishing")?,
                Topology::Events,
            )),
            url: url.to_owned(),
        })
    }
}

#[async_trait]
impl Events for RabbitEvents {
    async fn publish(&self, event: &Event) -> Result<(), QueueError> {
        let body = serde_json::to_vec(event).expect("an event has only string keys");
        let id = event.id.to_string();
        let letter = Letter {
            exchange: EVENTS,
            routing_key: &event.topic,
            // Whether anybody listens is not the publisher's business.
            mandatory: false,
            id: &id,
            body: &body,
        };
        Ok(self.publisher.publish_once_ready(&letter).await?)
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
        let link = Link::to(&self.url, "events: consuming")?;
        // One at a time: a notice takes long compared with the way to the broker.
        let consumers = Consumers::new(link, topology, queue, 1, self.publisher.clone());
        consumers.prepare().await?;
        Ok(Box::new(RabbitSubscription(consumers)))
    }
}

struct RabbitSubscription(Arc<Consumers>);

#[async_trait]
impl Subscription for RabbitSubscription {
    async fn receive(&self) -> Result<EventDelivery, QueueError> {
        loop {
            let taken = self.0.next().await?;
            match serde_json::from_slice(taken.body()) {
                Ok(event) => return Ok(EventDelivery::new(event, Box::new(taken))),
                Err(error) => {
                    let text = String::from_utf8_lossy(taken.body()).into_owned();
                    tracing::error!(%error, text, "this is not an event; it goes to the dead letters");
                    taken.bury().await?;
                }
            }
        }
    }
}
