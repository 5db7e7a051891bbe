//! What the roles of the store use: one field for each interface of the chapters.
//!
//! This module decides which implementation stands behind each interface. The handlers, the
//! workers and the publisher know the traits only. [`embedded`] implements them with SQLite files
//! and memory, [`external`] with servers, and `docker` starts such servers in containers.

mod data_dir;
#[cfg(feature = "docker")]
pub mod docker;
pub mod embedded;
pub mod external;
mod health;

use std::sync::Arc;

use ch01_clones::SessionStore;
use ch01_clones::clone::avatar::AvatarStore;
use ch02_database::replication::pins::{MemoryPins, PinStore};
use ch02_database::{Catalog, ConsistencyToken, GameId, News, Order, Orders, Social, StoreError};
use ch03_cache::{MemoryCache, ProductCache};
use ch04_async::{
    ChangedGame, Event, EventBus, JobQueue, JobStore, MemoryEventBus, MemoryQueue, PageStore,
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use data_dir::{DataDir, DataDirError, DataDirLock};
use embedded::{EmbeddedStorage, SqliteCatalog, SqliteJobStore, SqliteOrders, SqliteSessions};
use external::ExternalServers;
pub use health::Health;

/// The capacity of the embedded product cache in bytes: about 10,000 products of 2 KiB.
const CACHE_BYTES: u64 = 24 << 20;

/// How many jobs may wait in the embedded queue. The queue refuses the next one.
const QUEUE_CAPACITY: usize = 10_000;

/// The topic of the event "this game has changed". The payload is a [`ChangedGame`].
pub const GAME_CHANGED: &str = "game.changed";

// ANCHOR: services
/// The services of a store. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Chapter 1: who is logged in.
    pub sessions: Arc<dyn SessionStore>,
    /// Chapter 1: the users' pictures.
    pub avatars: AvatarStore,
    /// Chapter 2: the position that the reads of a session need after its write.
    pub pins: Arc<dyn PinStore>,
    /// Chapter 2: games and reviews.
    pub catalog: Arc<dyn Catalog>,
    /// Chapter 2: friends and the activity of customers.
    pub social: Arc<dyn Social>,
    /// Chapter 2: news articles.
    pub news: Arc<dyn News>,
    /// Chapter 2: orders, over several shards.
    pub orders: Arc<dyn Orders>,
    /// Chapter 3: products, read through the cache.
    pub products: ProductCache,
    /// Chapter 4: the queue of jobs.
    pub queue: Arc<dyn JobQueue>,
    /// Chapter 4: the state of each job.
    pub jobs: Arc<dyn JobStore>,
    /// Chapter 4: events, for every subscriber.
    pub events: Arc<dyn EventBus>,
    /// Chapter 4: pre-rendered pages.
    pub pages: PageStore,
    /// Whether the databases answer, for `/readyz`.
    pub health: Arc<dyn Health>,
    /// The writes in progress. A write goes on when its client disconnects.
    pub writes: TaskTracker,
}
// ANCHOR_END: services

impl Services {
    /// The services of an embedded store, and how many unfinished jobs were put back on the queue.
    ///
    /// The embedded queue is in memory and empty after a restart. The job store is a table.
    pub async fn embedded(storage: &Arc<EmbeddedStorage>) -> Result<(Services, usize), StoreError> {
        let catalog = Arc::new(SqliteCatalog::new(storage.main.clone()));
        let cache = Arc::new(MemoryCache::new(CACHE_BYTES));
        let jobs = Arc::new(SqliteJobStore::new(storage.main.clone()));
        let queue = MemoryQueue::new(QUEUE_CAPACITY);
        let unfinished = jobs.unfinished().await?;
        let resumed_jobs = unfinished.len();
        queue.restore(unfinished);
        let services = Services {
            sessions: Arc::new(SqliteSessions::new(storage.main.clone())),
            avatars: storage.avatars.clone(),
            pins: Arc::new(MemoryPins::new()),
            products: ProductCache::new(cache, catalog.clone()),
            social: catalog.clone(),
            news: catalog.clone(),
            catalog,
            orders: Arc::new(SqliteOrders::new(storage.shards.clone())),
            queue: Arc::new(queue),
            jobs,
            events: Arc::new(MemoryEventBus::default()),
            pages: storage.pages.clone(),
            health: storage.clone(),
            writes: TaskTracker::new(),
        };
        Ok((services, resumed_jobs))
    }

    /// The services of a store on external servers. The broker keeps its jobs over a restart.
    pub fn external(servers: &Arc<ExternalServers>) -> Services {
        Services {
            sessions: servers.sessions.clone(),
            avatars: servers.avatars.clone(),
            pins: servers.pins.clone(),
            products: ProductCache::new(servers.cache.clone(), servers.catalog.clone()),
            catalog: servers.catalog.clone(),
            social: servers.catalog.clone(),
            news: servers.catalog.clone(),
            orders: servers.orders.clone(),
            queue: servers.queue.clone(),
            jobs: servers.jobs.clone(),
            events: servers.events.clone(),
            pages: servers.pages.clone(),
            health: servers.clone(),
            writes: TaskTracker::new(),
        }
    }

    /// Copies a placed order into the activity of its customer. The order counts even if the copy
    /// fails: the shard owns the order, and a rebuild writes the missing copy. Returns the token of
    /// the copy.
    pub async fn order_placed(&self, order: &Order) -> Option<ConsistencyToken> {
        match self.social.record_order(order).await {
            Ok(written) => written.token,
            Err(error) => {
                tracing::error!(order = order.id, %error, "the order is not in its customer's activity");
                None
            }
        }
    }

    // ANCHOR: game_changed
    /// Removes the old copies of a game: the cached product and the pre-rendered page.
    ///
    /// The caller commits first, then calls this, then answers. After the answer no client sees
    /// the old game. `token` is the position of the write: whoever makes a new copy reads at least
    /// there, so that a late replica does not bring the old game back.
    pub async fn game_changed(&self, id: GameId, token: Option<ConsistencyToken>) {
        if let Err(error) = self.products.invalidate(id, token).await {
            tracing::error!(game = id, %error, "the cache may return the old game");
        }
        if let Err(error) = self.pages.withdraw(id).await {
            tracing::error!(game = id, %error, "the old page stays until it is published again");
        }
        let event = Event {
            id: Uuid::now_v7(),
            topic: GAME_CHANGED.to_owned(),
            payload: serde_json::to_value(ChangedGame { id, token }).expect("a number and a text"),
        };
        let events = self.events.clone();
        // The writer does not wait for the broker: without a page, the clone renders on demand.
        self.writes.spawn(async move {
            if let Err(error) = events.publish(&event).await {
                tracing::warn!(game = id, %error, "clones render the page on demand");
            }
        });
    }
    // ANCHOR_END: game_changed
}
