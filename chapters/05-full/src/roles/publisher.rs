//! The role that renders pages in advance.

use ch02_database::GameId;
use ch04_async::Publisher;
use tokio::sync::mpsc;

use crate::services::Services;

/// Publishes until `shutdown` resolves.
pub async fn run(services: Services, changes: mpsc::Receiver<GameId>, shutdown: impl Future<Output = ()> + Send) {
    Publisher::new(services.catalog.clone(), services.pages.clone())
        .run(changes, shutdown)
        .await;
}
