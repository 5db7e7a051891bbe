//! Everything that the roles stand on: one field for each seam of the chapters.
//!
//! This is the one place where the store decides what stands behind a seam. The handlers, the workers and the publisher see
//! the traits only, so what runs embedded today runs on real servers by filling the same fields with something else.

use std::sync::Arc;

use ch01_clones::SessionStore;
use ch02_database::{Catalog, GameId, Orders, StoreError};
use ch03_cache::{MemoryCache, ProductCache};
use ch04_async::{JobBoard, JobQueue, MemoryQueue, PageStore};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::embedded::{Embedded, SqliteBoard, SqliteCatalog, SqliteOrders, SqliteSessions};

/// How much the product cache may hold, in bytes: about 10,000 products of 2 KiB.
const CACHE_BYTES: u64 = 24 << 20;

/// How many jobs may wait before new ones are refused.
const WAITING_JOBS: usize = 10_000;

/// How many games may wait to be published again.
const WAITING_PAGES: usize = 1_024;

/// The services of a store. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Chapter 1: who is logged in.
    pub sessions: Arc<dyn SessionStore>,
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
    /// Chapter 4: pages rendered in advance.
    pub pages: PageStore,
    /// Tells the publisher which games have changed.
    pub changed_games: mpsc::Sender<GameId>,
    /// Whether the databases answer, for `/readyz`.
    pub health: Arc<dyn Health>,
    /// The writes that clients have begun, whether or not these clients are still there.
    pub writes: TaskTracker,
}

/// Answers "can this store serve requests?".
#[async_trait::async_trait]
pub trait Health: Send + Sync {
    /// An error names the first service that does not answer.
    async fn check(&self) -> Result<(), StoreError>;
}

/// Services that have just been opened, and what the roles need besides.
pub struct Opened {
    /// The services.
    pub services: Services,
    /// For the publisher: the games that change.
    pub changes: mpsc::Receiver<GameId>,
    /// How many jobs of the last run went back on the queue.
    pub resumed_jobs: usize,
}

impl Services {
    /// Services that stand on an embedded store. Jobs that no worker has finished go back on the queue: an embedded queue is empty
    /// after a restart, the board is not.
    pub async fn embedded(store: &Arc<Embedded>) -> Result<Opened, StoreError> {
        let catalog = Arc::new(SqliteCatalog::new(store.store.clone()));
        let cache = Arc::new(MemoryCache::new(CACHE_BYTES));
        let board = Arc::new(SqliteBoard::new(store.store.clone()));
        let queue = MemoryQueue::new(WAITING_JOBS);
        let unfinished = board.unfinished().await?;
        let resumed_jobs = unfinished.len();
        queue.restore(unfinished);
        let (changed_games, changes) = mpsc::channel(WAITING_PAGES);
        let services = Services {
            sessions: Arc::new(SqliteSessions::new(store.store.clone())),
            products: ProductCache::new(cache, catalog.clone()),
            catalog,
            orders: Arc::new(SqliteOrders::new(store.shards.clone())),
            queue: Arc::new(queue),
            board,
            pages: store.pages.clone(),
            changed_games,
            health: store.clone(),
            writes: TaskTracker::new(),
        };
        Ok(Opened {
            services,
            changes,
            resumed_jobs,
        })
    }

    /// Makes the copies of a game follow a write: the cached object and the page rendered in advance. Call it after the commit, and
    /// answer the writer only when it has returned: from then on nobody is shown the old game.
    pub async fn game_changed(&self, id: GameId) {
        if let Err(error) = self.products.invalidate(id).await {
            tracing::error!(game = id, %error, "the cache may show the old game until its time to live ends");
        }
        if let Err(error) = self.pages.withdraw(id).await {
            tracing::error!(game = id, %error, "the old page may be served until it is published again");
        }
        // If the publisher has too much to do already, the page is rendered on demand until the next start.
        if self.changed_games.try_send(id).is_err() {
            tracing::warn!(game = id, "the publisher is behind; this page is rendered on demand");
        }
    }
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
