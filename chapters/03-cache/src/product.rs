//! The product as a cached object, read cache-aside.
//!
//! A product page needs a game and its reviews, so it costs several queries. The assembled [`Product`] is kept under one key,
//! `product:7`, and a change to *any* of its parts drops it. That is what makes cached objects simpler than cached
//! queries: there is one key to drop, and everybody knows its name.
//!
//! There is a race in cache-aside: a reader misses and reads the database; a writer commits and invalidates; then the reader
//! stores what it read, which is old, and it stays until the time to live ends. A [`ProductCache`] counts its
//! invalidations, and a reader that was overtaken by one keeps its value to itself. That guards all clones of one
//! `ProductCache`, hence all clones of the store in one process.
//!
//! Left out: processes that share a cache server but not the counter. There the race is open, and the cure (a lease, which is
//! such a counter kept in the cache server) is this chapter's later lesson. Nor does the counter help if the database read
//! comes from a replica that lags behind the write. And a hundred readers that miss at the same moment all go to the database.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ch02_database::game::Product;
use ch02_database::{Catalog, GameId, Node, StoreError};
use tokio::sync::RwLock;

use crate::cache::{Cache, CacheError};

/// How long a product may be cached. Invalidation keeps it right; the time to live bounds the harm where invalidation fails.
pub const PRODUCT_TTL: Duration = Duration::from_mins(5);

/// The catalogue's products, through a cache.
#[derive(Clone)]
pub struct ProductCache {
    cache: Arc<dyn Cache>,
    catalog: Arc<dyn Catalog>,
    /// How many invalidations there were, of any product: a busy writer makes readers of other products keep values to
    /// themselves too, which costs them another query later. Filling the cache takes it shared and counting takes it
    /// exclusively, so that no invalidation can slip in between a reader's look at the count and its `set`.
    invalidations: Arc<RwLock<u64>>,
}

/// How the cache took part in an answer. It becomes the response header `x-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer came from the cache; no database was asked.
    Hit,
    /// The cache did not have it; the database was asked, and the cache filled unless an invalidation came meanwhile.
    Miss,
    /// The cache was not asked: the client wanted it so, or the cache is away.
    Bypass,
}

impl CacheStatus {
    /// The header's value.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheStatus::Hit => "hit",
            CacheStatus::Miss => "miss",
            CacheStatus::Bypass => "bypass",
        }
    }
}

/// A product, and how it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The product, or `None` if there is no such game.
    pub product: Option<Product>,
    /// Whether the cache answered.
    pub status: CacheStatus,
    /// The database server that was asked; none on a hit.
    pub node: Option<Node>,
}

impl ProductCache {
    /// Products of `catalog`, cached in `cache`.
    pub fn new(cache: Arc<dyn Cache>, catalog: Arc<dyn Catalog>) -> Self {
        ProductCache {
            cache,
            catalog,
            invalidations: Arc::default(),
        }
    }

    /// One product: from the cache if it is there, else from the database and then into the cache.
    ///
    /// A cache that is away, or that holds something unreadable (written by an older version of the store, say), costs
    /// time and nothing else: the database still has the truth.
    pub async fn get(&self, id: GameId) -> Result<Lookup, StoreError> {
        let key = key(id);
        match self.cache.get(&key).await {
            Ok(Some(bytes)) => {
                if let Ok(product) = serde_json::from_slice(&bytes) {
                    return Ok(Lookup {
                        product: Some(product),
                        status: CacheStatus::Hit,
                        node: None,
                    });
                }
                tracing::warn!(%key, "the cache holds something that is not a product; reading the database");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%key, error = &error as &dyn Error, "reading the database instead");
                return self.bypass(id).await;
            }
        }
        // Before the database is read: a write that this reading misses is invalidated after this count.
        // ANCHOR: get
        let invalidations = *self.invalidations.read().await;
        let read = self.catalog.product(id).await?;
        // An unknown id is not cached: a client that counts upwards could fill the cache with nothing.
        if let Some(product) = &read.value {
            self.fill(&key, product, invalidations).await;
        }
        // ANCHOR_END: get
        Ok(Lookup {
            product: read.value,
            status: CacheStatus::Miss,
            node: Some(read.node),
        })
    }

    /// One product straight from the database; the cache is neither asked nor filled.
    pub async fn bypass(&self, id: GameId) -> Result<Lookup, StoreError> {
        let read = self.catalog.product(id).await?;
        Ok(Lookup {
            product: read.value,
            status: CacheStatus::Bypass,
            node: Some(read.node),
        })
    }

    // ANCHOR: invalidate
    /// Drops a product. Call it *after* the write has been committed: a reader between an early invalidation and the
    /// commit would put the old value back. Waits for the readers that are filling the cache; when it returns `Ok`, no `get`
    /// of this process finds the old product in the cache.
    pub async fn invalidate(&self, id: GameId) -> Result<(), CacheError> {
        // The lock is not held during the delete: from here on, only who has read the database after the write can fill the
        // cache. So a cache that hangs makes this writer wait, and nobody else.
        *self.invalidations.write().await += 1;
        self.cache.delete(&key(id)).await
    }
    // ANCHOR_END: invalidate

    // ANCHOR: fill
    /// Caches what was read from the database when there had been `then` invalidations, unless there were more since.
    async fn fill(&self, key: &str, product: &Product, then: u64) {
        let bytes =
            serde_json::to_vec(product).expect("a product has only string keys and finite numbers");
        // Held until the value is set, see the field.
        let now = self.invalidations.read().await;
        if *now != then {
            return;
        }
        if let Err(error) = self.cache.set(key, bytes.into(), PRODUCT_TTL).await {
            tracing::warn!(%key, error = &error as &dyn Error, "the product was not cached");
        }
    }
    // ANCHOR_END: fill
}

fn key(id: GameId) -> String {
    format!("product:{id}")
}
