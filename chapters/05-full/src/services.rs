//! Everything that the roles stand on: one field for each seam of the chapters.
//!
//! This is the one place where the store decides what stands behind a seam. The handlers, the workers and the publisher see
//! the traits only, so they are the same on SQLite in one process and on real servers with processes around them.

use std::sync::Arc;

use ch01_clones::SessionStore;
use ch01_clones::clone::avatar::AvatarStore;
use ch02_database::{Catalog, GameId, Orders, StoreError};
use ch03_cache::{MemoryCache, ProductCache};
use ch04_async::{Event, Events, JobBoard, JobQueue, MemoryEvents, MemoryQueue, PageStore};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::embedded::{Embedded, SqliteBoard, SqliteCatalog, SqliteOrders, SqliteSessions};
use crate::servers::Servers;

/// How much the product cache may hold, in bytes: about 10,000 products of 2 KiB.
const CACHE_BYTES: u64 = 24 << 20;

/// How many jobs may wait before new ones are refused.
const WAITING_JOBS: usize = 10_000;

/// The topic of the event that a game has changed; its payload is the game's id.
pub const GAME_CHANGED: &str = "game.changed";

// ANCHOR: services
/// The services of a store. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Chapter 1: who is logged in.
    pub sessions: Arc<dyn SessionStore>,
    /// Chapter 1: customers' pictures.
    pub avatars: AvatarStore,
    /// Chapter 2: games and reviews.
    pub catalog: Arc<dyn Catalog>,
    /// Chapter 2: orders, over shards.
    pub orders: Arc<dyn Orders>,
    /// Chapter 3: products, through the cache.
    pub products: ProductCache,
    /// Chapter 4: where jobs wait.
    pub queue: Arc<dyn JobQueue>,
    /// Chapter 4: how jobs are doing.
    pub board: Arc<dyn JobBoard>,
    /// Chapter 4: what has happened, for whoever wants to know.
    pub events: Arc<dyn Events>,
    /// Chapter 4: pages rendered in advance.
    pub pages: PageStore,
    /// Whether the databases answer, for `/readyz`.
    pub health: Arc<dyn Health>,
    /// The writes that clients have begun, whether or not these clients are still there.
    pub writes: TaskTracker,
}
// ANCHOR_END: services

/// Answers "can this store serve requests?".
#[async_trait::async_trait]
pub trait Health: Send + Sync {
    /// An error names the first service that does not answer.
    async fn check(&self) -> Result<(), StoreError>;
}

impl Services {
    /// Services that stand on an embedded store, and how many jobs of the last run are on the queue again: an embedded queue is
    /// empty after a restart, the board is not.
    pub async fn embedded(store: &Arc<Embedded>) -> Result<(Services, usize), StoreError> {
        let catalog = Arc::new(SqliteCatalog::new(store.store.clone()));
        let cache = Arc::new(MemoryCache::new(CACHE_BYTES));
        let board = Arc::new(SqliteBoard::new(store.store.clone()));
        let queue = MemoryQueue::new(WAITING_JOBS);
        let unfinished = board.unfinished().await?;
        let resumed_jobs = unfinished.len();
        queue.restore(unfinished);
        let services = Services {
            sessions: Arc::new(SqliteSessions::new(store.store.clone())),
            avatars: store.avatars.clone(),
            products: ProductCache::new(cache, catalog.clone()),
            catalog,
            orders: Arc::new(SqliteOrders::new(store.shards.clone())),
            queue: Arc::new(queue),
            board,
            events: Arc::new(MemoryEvents::default()),
            pages: store.pages.clone(),
            health: store.clone(),
            writes: TaskTracker::new(),
        };
        Ok((services, resumed_jobs))
    }

    /// Services that stand on real servers. Nothing has to be put back anywhere: the broker has kept its jobs.
    pub fn on_servers(servers: &Arc<Servers>) -> Services {
        Services {
            sessions: servers.sessions.clone(),
            avatars: servers.avatars.clone(),
            products: ProductCache::new(servers.cache.clone(), servers.catalog.clone()),
            catalog: servers.catalog.clone(),
            orders: servers.orders.clone(),
            queue: servers.queue.clone(),
            board: servers.board.clone(),
            events: servers.events.clone(),
            pages: servers.pages.clone(),
            health: servers.clone(),
            writes: TaskTracker::new(),
        }
    }

    // ANCHOR: game_changed
    /// Makes the copies of a game follow a write: the cached object and the page rendered in advance. Call it after the commit, and
    /// answer the writer only when it has returned: from then on nobody is shown the old game.
    pub async fn game_changed(&self, id: GameId) {
        if let Err(error) = self.products.invalidate(id).await {
            tracing::error!(game = id, %error, "the cache may show the old game until its time to live ends");
        }
        if let Err(error) = self.pages.withdraw(id).await {
            tracing::error!(game = id, %error, "the old page may be served until it is published again");
        }
        let event = Event {
            id: Uuid::now_v7(),
            topic: GAME_CHANGED.to_owned(),
            payload: id.into(),
        };
        let events = self.events.clone();
        // The writer does not wait for the broker: until somebody has rendered the page anew it is rendered on demand.
        self.writes.spawn(async move {
            if let Err(error) = events.publish(&event).await {
                tracing::warn!(game = id, %error, "the publisher does not hear of it; this page is rendered on demand");
            }
        });
    }
    // ANCHOR_END: game_changed
}

#[async_trait::async_trait]
impl Health for Embedded {
    async fn check(&self) -> Result<(), StoreError> {
        self.store.ping().await?;
        for shard in &self.shards {
            shard.ping().await?;
        }
        Ok(())
    }
}
