//! The role that tells customers about their RSVPs: chapter 4's notifiers, one for each channel. Every worker process plays it too.

use std::sync::Arc;

use async_trait::async_trait;
use ch04_async::QueueError;
use ch04_async::rsvp::{self, CHANNELS, LogOutbox, Notifier, Outbox, Rsvp};
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::services::Services;

/// Makes sure that notices are kept for every channel, from before the first request.
pub async fn subscribe(services: &Services) -> Result<(), QueueError> {
    rsvp::open_channels(&*services.events).await
}

/// A notifier for each channel.
pub fn notifiers(services: &Services, metrics: &Metrics) -> Vec<Notifier> {
    let outbox = Arc::new(CountingOutbox(metrics.clone()));
    let notifier = |channel| Notifier {
        channel,
        events: services.events.clone(),
        outbox: outbox.clone(),
    };
    CHANNELS.into_iter().map(notifier).collect()
}

/// Sends nothing either, but counts, so that a learner sees that both channels were served.
struct CountingOutbox(Metrics);

#[async_trait]
impl Outbox for CountingOutbox {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        LogOutbox.send(channel, event, rsvp).await?;
        self.0.notification(channel);
        Ok(())
    }
}
