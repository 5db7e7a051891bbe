//! The seam behind which events are spread: [`Events`].
//!
//! A job is an order: one worker is to do this. An event is a fact: this has happened, whoever it concerns. Who publishes it does not
//! know who listens, so a new listener needs no change there. Each listener has a queue of its own: every queue gets every event
//! that fits its pattern (*publish/subscribe*), and the consumers of one queue share the work (*point-to-point*).
//!
//! Left out: events from before the first subscription (a log such as Kafka's keeps them), and an order between events.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::queue::{QueueError, Receipt};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Made with the event and never again, so that a consumer that gets it twice can tell.
    pub id: Uuid,
    /// What happened: words with dots between them, such as `rsvp.created`.
    pub topic: String,
    /// To whom, when, how many.
    pub payload: Value,
}

/// Where events are published and subscribed to.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Hands an event over. When this returns `Ok`, every queue that it fits has it. That nobody has subscribed to it is no error.
    async fn publish(&self, event: &Event) -> Result<(), QueueError>;

    /// Makes sure that there is a queue of this name that gets the events which fit `pattern` (see [`fits`]), from now on, and takes
    /// part in consuming it. The queue outlives the subscription: what is published while nobody consumes it waits.
    async fn subscribe(
        &self,
        queue: &str,
        pattern: &str,
    ) -> Result<Box<dyn Subscription>, QueueError>;
}

/// One consumer of a queue of events.
#[async_trait]
pub trait Subscription: Send + Sync {
    /// Waits for the next event. Cancel-safe, and may be called again while an event is still in hand.
    async fn receive(&self) -> Result<EventDelivery, QueueError>;
}

/// An event in a consumer's hands. Dropping it gives it back, as with a job's [`Delivery`](crate::Delivery).
pub struct EventDelivery {
    /// The event.
    pub event: Event,
    receipt: Box<dyn Receipt>,
}

impl EventDelivery {
    /// A delivery whose acknowledgement goes through `receipt`.
    pub fn new(event: Event, receipt: Box<dyn Receipt>) -> Self {
        EventDelivery { event, receipt }
    }

    /// Tells the queue that this event has been dealt with.
    pub async fn ack(self) -> Result<(), QueueError> {
        self.receipt.ack().await
    }

    /// Puts the event behind all others of *this* queue. Other queues have their own and are not bothered.
    pub async fn requeue(self) -> Result<(), QueueError> {
        self.receipt.requeue().await
    }
}

/// Whether a topic fits a pattern, by the rules of AMQP's topic exchanges: `*` stands for one word, `#` for any number of them.
///
/// ```
/// use ch04_async::events::fits;
///
/// assert!(fits("rsvp.*", "rsvp.created"));
/// assert!(!fits("rsvp.*", "rsvp.created.late"));
/// assert!(fits("rsvp.#", "rsvp.created.late"));
/// assert!(fits("#.created", "rsvp.created"));
/// assert!(!fits("order.*", "rsvp.created"));
/// ```
pub fn fits(pattern: &str, topic: &str) -> bool {
    fn fit(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) => true,
            (["#", rest @ ..], _) => (0..=topic.len()).any(|taken| fit(rest, &topic[taken..])),
            (["*", pattern @ ..], [_, topic @ ..]) => fit(pattern, topic),
            ([wanted, pattern @ ..], [word, topic @ ..]) => wanted == word && fit(pattern, topic),
            _ => false,
        }
    }
    let (pattern, topic): (Vec<_>, Vec<_>) =
        (pattern.split('.').collect(), topic.split('.').collect());
    fit(&pattern, &topic)
}
