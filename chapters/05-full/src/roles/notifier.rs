//! The role that notifies customers of their RSVPs: one notifier for each channel.
//!
//! Every worker process runs the notifiers too.

use std::sync::Arc;

use async_trait::async_trait;
use ch04_async::QueueError;
use ch04_async::events::rsvp::{
    self, CHANNELS, LogNotificationSender, NotificationSender, Notifier, Rsvp,
};
use uuid::Uuid;

use crate::http::metrics::Metrics;
use crate::roles::task::RoleTask;
use crate::services::Services;

/// Creates the queue of each channel, so the broker keeps notifications.
pub async fn subscribe(services: &Services) -> Result<(), QueueError> {
    rsvp::create_queues(&*services.events).await
}

/// One notifier for each channel.
pub fn notifiers(services: &Services, metrics: &Metrics) -> Vec<Notifier> {
    let sender = Arc::new(CountingNotificationSender(metrics.clone()));
    let notifier = |channel| Notifier {
        channel,
        events: services.events.clone(),
        sender: sender.clone(),
    };
    CHANNELS.into_iter().map(notifier).collect()
}

/// Starts a notifier in its own task.
pub fn start(notifier: Notifier) -> RoleTask {
    let name = format!("notifier of {}", notifier.channel);
    RoleTask::start(name, move |stop| notifier.clone().run(stop))
}

/// Logs each notification instead of sending it, and counts it.
struct CountingNotificationSender(Metrics);

#[async_trait]
impl NotificationSender for CountingNotificationSender {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        LogNotificationSender.send(channel, event, rsvp).await?;
        self.0.count_notification(channel);
        Ok(())
    }
}
