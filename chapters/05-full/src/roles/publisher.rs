//! The role that pre-renders pages: the publisher of chapter 4. Events tell it which games changed.
//!
//! A store must have one publisher. Two would overwrite each other's manifest of pages.

use std::sync::Arc;
use std::time::Duration;

use ch04_async::{ChangedGame, EventBus, PagePublisher, QueueError};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::roles::task::RoleTask;
use crate::services::{GAME_CHANGED, Services};

/// The name of the publisher's event queue.
const QUEUE: &str = "pages";

/// How many changed games may wait for the publisher.
const CHANGED_GAMES_CAPACITY: usize = 1_024;

/// How long the publisher waits before it subscribes again.
const RESUBSCRIBE_DELAY: Duration = Duration::from_secs(1);

/// The publisher of this store.
pub fn publisher(services: &Services) -> PagePublisher {
    PagePublisher::new(services.catalog.clone(), services.pages.clone())
}

/// Creates the publisher's queue, so the broker keeps its events.
pub async fn subscribe(services: &Services) -> Result<(), QueueError> {
    services
        .events
        .subscribe(QUEUE, GAME_CHANGED)
        .await
        .map(drop)
}

/// Starts the publisher in its own task.
pub fn start(services: &Services) -> RoleTask {
    let services = services.clone();
    RoleTask::start("publisher", move |stop| {
        run(publisher(&services), services.events.clone(), stop)
    })
}

/// Publishes the missing pages, then each page whose game changes, until `shutdown` resolves.
pub async fn run(
    publisher: PagePublisher,
    events: Arc<dyn EventBus>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (sender, changed_games) = mpsc::channel(CHANGED_GAMES_CAPACITY);
    tokio::select! {
        () = publisher.run(changed_games, shutdown) => {}
        () = forward_events(&*events, &sender) => {}
    }
}

/// Sends each changed game to the publisher. Ends when the publisher has ended.
async fn forward_events(events: &dyn EventBus, sender: &mpsc::Sender<ChangedGame>) {
    loop {
        let Err(error) = forward_until_error(events, sender).await else {
            return;
        };
        tracing::warn!(%error, "the publisher receives no events; it subscribes again in a second");
        tokio::time::sleep(RESUBSCRIBE_DELAY).await;
    }
}

async fn forward_until_error(
    events: &dyn EventBus,
    sender: &mpsc::Sender<ChangedGame>,
) -> Result<(), QueueError> {
    let subscription = events.subscribe(QUEUE, GAME_CHANGED).await?;
    loop {
        let delivery = subscription.receive().await?;
        match ChangedGame::deserialize(&delivery.message.payload) {
            Ok(game) if sender.send(game).await.is_err() => return Ok(()),
            Ok(_) => {}
            Err(error) => {
                tracing::error!(payload = %delivery.message.payload, %error, "no changed game");
            }
        }
        // Acknowledges before the page is published. If the publisher stops now, clones render the
        // page on demand until the next start.
        delivery.ack().await?;
    }
}
