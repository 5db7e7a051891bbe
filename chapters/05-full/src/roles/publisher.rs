//! The role that renders pages in advance: chapter 4's publisher, told by events which games have changed.
//!
//! There may be only one at a time: two would write the manifest of the pages over each other. Left out: a lock that sees to it.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::GameId;
use ch04_async::{Events, Publisher, QueueError};
use tokio::sync::mpsc;

use crate::services::{GAME_CHANGED, Services};

/// The queue of events that only the publisher reads.
const QUEUE: &str = "pages";

/// How many games may wait to be published again.
const WAITING_PAGES: usize = 1_024;

/// The publisher of this store.
pub fn publisher(services: &Services) -> Publisher {
    Publisher::new(services.catalog.clone(), services.pages.clone())
}

/// Makes sure that changes are kept for the publisher, from before the first request.
pub async fn subscribe(services: &Services) -> Result<(), QueueError> {
    services
        .events
        .subscribe(QUEUE, GAME_CHANGED)
        .await
        .map(drop)
}

/// Publishes what is missing and then what changes, until `shutdown` resolves.
pub async fn run(
    publisher: Publisher,
    events: Arc<dyn Events>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (tell, changed) = mpsc::channel(WAITING_PAGES);
    tokio::select! {
        () = publisher.run(changed, shutdown) => {}
        () = listen(&*events, &tell) => {}
    }
}

/// Passes on every game that has changed. Ends when nobody wants to hear of it any more.
async fn listen(events: &dyn Events, tell: &mpsc::Sender<GameId>) {
    loop {
        let Err(error) = pass_on(events, tell).await else {
            return;
        };
        tracing::warn!(%error, "changed games cannot be heard of; trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn pass_on(events: &dyn Events, tell: &mpsc::Sender<GameId>) -> Result<(), QueueError> {
    let subscription = events.subscribe(QUEUE, GAME_CHANGED).await?;
    loop {
        let delivery = subscription.receive().await?;
        match delivery.event.payload.as_i64() {
            Some(id) if tell.send(id).await.is_err() => return Ok(()),
            Some(_) => {}
            None => {
                tracing::error!(payload = %delivery.event.payload, "an event that names no game")
            }
        }
        // Before the page is there. If the publisher ends now, the page is rendered on demand until its next start.
        delivery.ack().await?;
    }
}
