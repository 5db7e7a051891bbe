//! The product as a cached object, read cache-aside.
//!
//! Cache-aside has a race. A reader misses and reads the database. Then a writer commits and
//! invalidates. Then the reader stores its old value, which stays until its time to live ends. A
//! [`ProductCache`] counts its invalidations. A reader that finds another count than before its
//! database query does not store its value. This protects all clones of one `ProductCache`, and so
//! all clones of the store in one process.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ch02_database::model::Product;
use ch02_database::{Catalog, Consistency, GameId, Node, StoreError};
use tokio::sync::RwLock;

use crate::cache::{Cache, CacheError};

/// How long a product may stay in the cache. Invalidation keeps the cache correct. The time to live
/// limits the damage where invalidation fails.
pub const PRODUCT_TTL: Duration = Duration::from_mins(5);

/// The catalogue's products, read through a cache.
#[derive(Clone)]
pub struct ProductCache {
    cache: Arc<dyn Cache>,
    catalog: Arc<dyn Catalog>,
    /// The number of invalidations of any product. So a busy writer also prevents the caching of
    /// other products, which costs another query later. A reader holds the read lock while it
    /// compares the count and sets the value. A writer needs the write lock to count, so no
    /// invalidation can come between the two steps.
    invalidations: Arc<RwLock<u64>>,
}

/// How the cache took part in a read. Becomes the response header `x-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// The value came from the cache. The database was not asked.
    Hit,
    /// The cache did not have the value. The value came from the database and went into the cache,
    /// unless an invalidation came in between.
    Miss,
    /// The cache was not used: the caller asked for a bypass, or the cache failed.
    Bypass,
}

impl CacheStatus {
    /// The value of the header.
    pub fn as_str(self) -> &'static str {
        match self {
            CacheStatus::Hit => "hit",
            CacheStatus::Miss => "miss",
            CacheStatus::Bypass => "bypass",
        }
    }
}

/// The result of reading a product.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The product, or `None` if the game does not exist.
    pub product: Option<Product>,
    /// Whether the cache answered.
    pub status: CacheStatus,
    /// The database server that answered; `None` on a hit.
    pub node: Option<Node>,
}

impl ProductCache {
    /// The products of `catalog`, cached in `cache`.
    pub fn new(cache: Arc<dyn Cache>, catalog: Arc<dyn Catalog>) -> Self {
        ProductCache {
            cache,
            catalog,
            invalidations: Arc::default(),
        }
    }

    /// One product: from the cache on a hit, else from the database and then into the cache.
    ///
    /// A cache that fails, or that holds an unreadable value (of an older version of the store, for
    /// example), costs only time.
    pub async fn get(&self, id: GameId) -> Result<Lookup, StoreError> {
        let key = cache_key(id);
        match self.cache.get(&key).await {
            Ok(Some(bytes)) => {
                if let Ok(product) = serde_json::from_slice(&bytes) {
                    return Ok(Lookup {
                        product: Some(product),
                        status: CacheStatus::Hit,
                        node: None,
                    });
                }
                tracing::warn!(%key, "the cached value is not a product; reading the database");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(
                    %key,
                    error = &error as &dyn Error,
                    "the cache failed; reading the database"
                );
                return self.bypass(id).await;
            }
        }
        // Noted before the database query: a write that the query does not see invalidates later.
        // ANCHOR: get
        let invalidations = *self.invalidations.read().await;
        let read = self.catalog.product(id, Consistency::Eventual).await?;
        // An unknown id is not cached. Otherwise a client that counts upwards could fill the cache.
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

    /// One product directly from the database, without reading or filling the cache.
    pub async fn bypass(&self, id: GameId) -> Result<Lookup, StoreError> {
        let read = self.catalog.product(id, Consistency::Eventual).await?;
        Ok(Lookup {
            product: read.value,
            status: CacheStatus::Bypass,
            node: Some(read.node),
        })
    }

    // ANCHOR: invalidate
    /// Deletes a product from the cache. Call it *after* the commit: a reader between an early
    /// invalidation and the commit would store the old value again. After `Ok`, no `get` of this
    /// process finds the old product in the cache.
    pub async fn invalidate(&self, id: GameId) -> Result<(), CacheError> {
        // Waits for the readers that are filling the cache now. The lock is released before the
        // delete: every later reader has read the database after the write. So a cache that hangs
        // delays only this writer.
        *self.invalidations.write().await += 1;
        self.cache.delete(&cache_key(id)).await
    }
    // ANCHOR_END: invalidate

    // ANCHOR: fill
    /// Caches a product, unless an invalidation came after the database query. `count_before` is
    /// the number of invalidations before the query.
    async fn fill(&self, key: &str, product: &Product, count_before: u64) {
        let bytes =
            serde_json::to_vec(product).expect("a product has only string keys and finite numbers");
        // Held until the value is set; see the field.
        let count_now = self.invalidations.read().await;
        if *count_now != count_before {
            return;
        }
        if let Err(error) = self.cache.set(key, bytes.into(), PRODUCT_TTL).await {
            let error = &error as &dyn Error;
            tracing::warn!(%key, error, "the product was not cached");
        }
    }
    // ANCHOR_END: fill
}

fn cache_key(id: GameId) -> String {
    format!("product:{id}")
}
