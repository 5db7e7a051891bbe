//! The last part: one RSVP reaches e-mail and push, also when one of them is away.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use ch04_async::Events;
use ch04_async::rabbit::RabbitEvents;
use ch04_async::rsvp::{Notifier, Outbox, Rsvp, open_channels};
use chrono::Utc;
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinSet;
use uuid::Uuid;

/// How long a notice may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// "Sends" by telling us.
struct Told(Sender<String>);

#[async_trait]
impl Outbox for Told {
    async fn send(&self, channel: &str, _: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        let notice = format!(
            "{channel}: {} comes to launch {}",
            rsvp.customer, rsvp.event_id
        );
        self.0.send(notice).await.map_err(|error| error.to_string())
    }
}

/// Publishes an RSVP while one of two channels is away.
pub async fn tell(broker: &str) -> anyhow::Result<()> {
    let events: Arc<dyn Events> = Arc::new(RabbitEvents::new(broker)?);
    open_channels(&*events).await?;
    let (sender, mut sent) = channel(10);
    // Dropped, it takes the notifiers along.
    let mut running = JoinSet::new();
    let mut start = |channel| {
        let notifier = Notifier {
            channel,
            events: events.clone(),
            outbox: Arc::new(Told(sender.clone())),
        };
        running.spawn(notifier.run(pending()));
    };

    start("email");
    let rsvp = Rsvp {
        event_id: 7,
        customer: "ada".to_owned(),
        at: Utc::now(),
    };
    events.publish(&rsvp.created()).await?;
    println!("   {}", next(&mut sent).await?);
    println!(
        "   push is away. The event waits in its queue, and e-mail has noticed nothing. Push comes back:"
    );
    start("push");
    println!("   {}\n", next(&mut sent).await?);
    Ok(())
}

async fn next(sent: &mut tokio::sync::mpsc::Receiver<String>) -> anyhow::Result<String> {
    let notice = tokio::time::timeout(DEADLINE, sent.recv()).await?;
    notice.context("no notice was sent")
}
