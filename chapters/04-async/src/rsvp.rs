//! Who comes to a launch event, and how they are told: one RSVP becomes an e-mail and a push message.
//!
//! The customer's answer does not wait for either. The store publishes [`Rsvp::created`] and answers; a [`Notifier`] for each channel
//! takes it from there. If a channel is down, its events wait in its queue, and the other channel does not notice.
//!
//! Left out: real e-mails (an [`Outbox`] stands where a mail server's client would), and telling a notice that was sent
//! twice, after a crash between the sending and the acknowledgement, from one that was meant twice. The event's id is there for that.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::events::{Event, EventDelivery, Events};
use crate::queue::QueueError;

/// The topic of a new RSVP.
pub const RSVP_CREATED: &str = "rsvp.created";

/// The events that the channels want: all about RSVPs, a cancellation too once there is one.
const RSVPS: &str = "rsvp.*";

/// The channels over which customers are told. Each is the name of a queue.
pub const CHANNELS: [&str; 2] = ["email", "push"];

/// How long a channel waits after something failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A customer's "I will be there".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rsvp {
    /// The launch event's id.
    pub event_id: i64,
    /// Who comes.
    pub customer: String,
    /// When they said so.
    pub at: DateTime<Utc>,
}

impl Rsvp {
    /// The event to publish.
    pub fn created(&self) -> Event {
        Event {
            id: Uuid::now_v7(),
            topic: RSVP_CREATED.to_owned(),
            payload: serde_json::to_value(self).expect("an RSVP has only string keys"),
        }
    }
}

/// Makes sure that every channel has its queue. Call it before the first RSVP is published: an event from before the first
/// subscription is nobody's.
pub async fn open_channels(events: &dyn Events) -> Result<(), QueueError> {
    for channel in CHANNELS {
        // The queue stays when the subscription goes.
        drop(events.subscribe(channel, RSVPS).await?);
    }
    Ok(())
}

/// What really sends. May be asked to send the same event again.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Sends one notice over one channel. The error's text is logged, and the notice tried again after the others.
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String>;
}

/// Sends nothing and writes a line into the log.
pub struct LogOutbox;

#[async_trait]
impl Outbox for LogOutbox {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        tracing::info!(channel, %event, customer = rsvp.customer, launch = rsvp.event_id, "sent");
        Ok(())
    }
}

/// Tells customers over one channel. Several with the same channel share its work.
#[derive(Clone)]
pub struct Notifier {
    /// Which one; see [`CHANNELS`].
    pub channel: &'static str,
    /// Where the events come from.
    pub events: Arc<dyn Events>,
    /// Where the notices go.
    pub outbox: Arc<dyn Outbox>,
}

impl Notifier {
    /// Sends notices until `stop` resolves; one that is being sent then comes again later.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        loop {
            let error = tokio::select! {
                biased;
                () = &mut stop => return,
                error = self.send_for_ever() => error,
            };
            let error = error.with_causes();
            tracing::error!(
                channel = self.channel,
                error,
                "cannot receive; trying again in a second"
            );
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Returns only when the events cannot be received any more.
    async fn send_for_ever(&self) -> QueueError {
        let subscription = match self.events.subscribe(self.channel, RSVPS).await {
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

    async fn send(&self, delivery: EventDelivery) {
        let (channel, event) = (self.channel, delivery.event.id);
        let sent = match serde_json::from_value(delivery.event.payload.clone()) {
            Ok(rsvp) => self.outbox.send(channel, event, &rsvp).await,
            Err(error) => {
                // Trying again would change nothing.
                tracing::error!(channel, %event, %error, "this is no RSVP; nobody is told");
                Ok(())
            }
        };
        let answered = match sent {
            // After the sending, never before.
            Ok(()) => delivery.ack().await,
            Err(reason) => {
                tracing::warn!(channel, %event, reason, "not sent; trying again after the others");
                tokio::time::sleep(PAUSE).await;
                delivery.requeue().await
            }
        };
        if let Err(error) = answered {
            tracing::warn!(channel, %event, %error, "not acknowledged; it will come again");
        }
    }
}
