//! RSVPs to a launch event: each one becomes an e-mail and a push message.
//!
//! The response to the customer waits for neither. The store publishes [`Rsvp::created_event`] and
//! responds. A [`Notifier`] for each channel sends the notification. If a channel is down, its
//! events wait in its queue, and the other channel is not affected.
//!
//! Left out: real e-mails (an implementation of [`NotificationSender`] would call a mail server),
//! and duplicate detection. After a crash between sending and acknowledging, a customer gets two
//! notifications with the same event id.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use common::error_chain;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use uuid::Uuid;

use super::event_bus::{Event, EventBus};
use crate::queue::{Delivery, QueueError};

/// The topic of a new RSVP.
pub const RSVP_CREATED: &str = "rsvp.created";

/// The pattern of all events about RSVPs.
const RSVP_PATTERN: &str = "rsvp.*";

/// The channels over which customers are notified. Each is also the name of a queue.
pub const CHANNELS: [&str; 2] = ["email", "push"];

/// The pause after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A customer's registration for a launch event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rsvp {
    /// The launch event's id.
    pub event_id: i64,
    /// The customer who will attend.
    pub customer: String,
    /// The time of the registration.
    pub at: DateTime<Utc>,
}

impl Rsvp {
    /// The event to publish.
    pub fn created_event(&self) -> Event {
        Event {
            id: Uuid::now_v7(),
            topic: RSVP_CREATED.to_owned(),
            payload: serde_json::to_value(self).expect("an RSVP has only string keys"),
        }
    }
}

/// Creates the queue of every channel. Call it before the first RSVP is published: an event without
/// a queue is lost.
pub async fn create_queues(events: &dyn EventBus) -> Result<(), QueueError> {
    for channel in CHANNELS {
        // The queue outlives the subscription.
        drop(events.subscribe(channel, RSVP_PATTERN).await?);
    }
    Ok(())
}

/// Sends notifications to customers.
#[async_trait]
pub trait NotificationSender: Send + Sync + 'static {
    /// Sends one notification over one channel. The notifier may call it twice for the same event.
    /// After an error the notifier logs the text and tries again after the other notifications.
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String>;
}

/// Writes each notification to the log instead of sending it.
pub struct LogNotificationSender;

#[async_trait]
impl NotificationSender for LogNotificationSender {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        tracing::info!(channel, %event, customer = rsvp.customer, launch = rsvp.event_id, "sent");
        Ok(())
    }
}

/// Notifies customers over one channel. Several notifiers of one channel share its events.
#[derive(Clone)]
pub struct Notifier {
    /// One of [`CHANNELS`].
    pub channel: &'static str,
    /// Delivers the events.
    pub events: Arc<dyn EventBus>,
    /// Sends the notifications.
    pub sender: Arc<dyn NotificationSender>,
}

impl Notifier {
    /// Sends notifications until `stop` resolves. An unfinished notification is sent later.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let error = tokio::select! {
                biased;
                () = &mut stop => return,
                error = self.send_until_error() => error,
            };
            let error = error_chain(&error);
            tracing::error!(
                channel = self.channel,
                error,
                "cannot receive an event; retrying"
            );
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = sleep(RETRY_PAUSE) => {}
            }
        }
    }

    /// Returns only when the event bus fails.
    async fn send_until_error(&self) -> QueueError {
        let subscription = match self.events.subscribe(self.channel, RSVP_PATTERN).await {
            Ok(subscription) => subscription,
            Err(error) => return error,
        };
        loop {
            match subscription.receive().await {
                Ok(delivery) => self.send(delivery).await,
                Err(error) => return error,
            }
        }
    }

    async fn send(&self, delivery: Delivery<Event>) {
        let (channel, event) = (self.channel, delivery.message.id);
        let sent = match serde_json::from_value(delivery.message.payload.clone()) {
            Ok(rsvp) => self.sender.send(channel, event, &rsvp).await,
            Err(error) => {
                // A second attempt would fail too, so the event is acknowledged.
                tracing::error!(channel, %event, %error, "the event is not an RSVP; it is ignored");
                Ok(())
            }
        };
        let settled = match sent {
            // After sending, never before.
            Ok(()) => delivery.ack().await,
            Err(reason) => {
                tracing::warn!(channel, %event, reason, "cannot send a notification; retrying");
                sleep(RETRY_PAUSE).await;
                delivery.requeue().await
            }
        };
        if let Err(error) = settled {
            tracing::warn!(channel, %event, %error, "cannot acknowledge; expect the event again");
        }
    }
}
