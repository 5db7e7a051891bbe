//! The last part: one RSVP reaches e-mail and push, although push is down at first.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use ch04_async::events::rsvp::{NotificationSender, Notifier, Rsvp, create_queues};
use ch04_async::{EventBus, RabbitEventBus};
use chrono::Utc;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long a notification may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Passes each notification to the demonstration instead of sending it.
struct ChannelSender(Sender<String>);

#[async_trait]
impl NotificationSender for ChannelSender {
    async fn send(&self, channel: &str, _: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        let (customer, launch) = (&rsvp.customer, rsvp.event_id);
        let notification = format!("{channel}: {customer} comes to launch {launch}");
        let sent = self.0.send(notification).await;
        sent.map_err(|error| error.to_string())
    }
}

/// Publishes an RSVP while one of two channels is down.
pub async fn run(broker: &str) -> anyhow::Result<()> {
    let events: Arc<dyn EventBus> = Arc::new(RabbitEventBus::new(broker)?);
    create_queues(&*events).await?;
    let (sender, mut sent) = channel(10);
    // Dropping the set stops the notifiers.
    let mut notifiers = JoinSet::new();
    let mut start = |channel| {
        let notifier = Notifier {
            channel,
            events: events.clone(),
            sender: Arc::new(ChannelSender(sender.clone())),
        };
        notifiers.spawn(notifier.run(pending()));
    };

    start("email");
    let rsvp = Rsvp {
        event_id: 7,
        customer: "ada".to_owned(),
        at: Utc::now(),
    };
    events.publish(&rsvp.created_event()).await?;
    println!("   {}", next(&mut sent).await?);
    println!("   Push is down. Its event waits in its queue. E-mail is not affected. Push starts:");
    start("push");
    println!("   {}\n", next(&mut sent).await?);
    Ok(())
}

async fn next(sent: &mut Receiver<String>) -> anyhow::Result<String> {
    let notification = tokio::time::timeout(DEADLINE, sent.recv()).await;
    let notification = notification.context("a notifier should have sent a notification by now")?;
    notification.context("all notifiers have stopped")
}
