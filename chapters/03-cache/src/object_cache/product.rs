//! The product as a cached object, read cache-aside.
//!
//! Cache-aside has a race. A reader misses and reads the database. Then a writer commits and
//! invalidates. Then the reader stores its old value, which stays until its time to live ends. A
//! [`ProductCache`] counts its invalidations. A reader that finds another count than before its
//! database query does not store its value. This protects all clones of one `ProductCache`, and so
//! all clones of the store in one process.
//!
//! A late replica makes a second race: a reader that misses *after* the invalidation may still read
//! the old product there. So an invalidation leaves the position of its write behind, and the next
//! reader fetches the product at least at that position.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ch02_database::model::Product;
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId, Node, StoreError};
use tokio::sync::RwLock;

use super::entry::Entry;
use crate::cache::{Cache, CacheError};

/// How long a product may stay in the cache. Invalidation keeps the cache correct. The time to live
/// limits the damage where invalidation fails.
pub const PRODUCT_TTL: Duration = Duration::from_mins(5);

/// The catalogue's products, read through a cache.
#[derive(Clone)]
pub struct ProductCache {
    cache: Arc<dyn Cache>,
    catalog: Arc<dyn Catalog>,
    /// A reader holds the read lock while it compares the count and sets the value. A writer needs
    /// the write lock to count, so no invalidation can come between the two steps.
    invalidations: Arc<RwLock<Invalidations>>,
}

/// The invalidations of this process.
#[derive(Default)]
struct Invalidations {
    /// The number for all products. So a busy writer also prevents the caching of other products,
    /// which costs another query later.
    count: u64,
    /// The last write of each product. A reader finds it here if it comes before the mark in the
    /// cache. At most one entry for each game.
    writes: HashMap<GameId, ConsistencyToken>,
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
    /// A next read with this token shows nothing older than this one; see
    /// [`Read::token`](ch02_database::Read::token).
    pub token: Option<ConsistencyToken>,
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

    /// One product: from the cache on a hit, else from the database and then into the cache. A
    /// cached product that is older than `consistency` allows is a miss.
    ///
    /// A cache that fails, or that holds an unreadable value (of an older version of the store, for
    /// example), costs only time.
    pub async fn get(&self, id: GameId, consistency: Consistency) -> Result<Lookup, StoreError> {
        let asked = match consistency {
            Consistency::Eventual => None,
            Consistency::AtLeast(token) => Some(token),
            // Every cached product may be older than the primary's.
            Consistency::Primary => return self.bypass(id, consistency).await,
        };
        let key = cache_key(id);
        let entry = match self.cache.get(&key).await {
            Ok(bytes) => bytes.and_then(|bytes| read_entry(&key, &bytes)),
            Err(error) => {
                tracing::warn!(
                    %key,
                    error = &error as &dyn Error,
                    "the cache failed; reading the database"
                );
                return self.bypass(id, consistency).await;
            }
        };
        if let Some((product, token)) = entry.as_ref().and_then(|entry| entry.answer(asked)) {
            return Ok(Lookup {
                product: Some(product.clone()),
                status: CacheStatus::Hit,
                node: None,
                token,
            });
        }
        self.read_and_fill(id, asked, entry.and_then(|entry| entry.complete()))
            .await
    }

    // ANCHOR: get
    /// Reads the database and fills the cache. The new entry must not be older than `before`, the
    /// position of the entry that it replaces.
    async fn read_and_fill(
        &self,
        id: GameId,
        asked: Option<ConsistencyToken>,
        before: Option<ConsistencyToken>,
    ) -> Result<Lookup, StoreError> {
        // Noted before the database query: a write that the query does not see invalidates later.
        let (count, last_write) = {
            let invalidations = self.invalidations.read().await;
            (invalidations.count, invalidations.writes.get(&id).copied())
        };
        // What every replica has costs no wait, and gives the entry a position that is known before
        // the query without a round trip.
        let replayed = self.catalog.replica_positions().into_iter().min();
        let replayed = replayed.filter(|token| *token > ConsistencyToken::START);
        let floor = asked.max(before).max(last_write).max(replayed);
        let read = match self.catalog.product(id, floor.into()).await {
            // This reader accepts an older answer than the cache needs.
            Err(StoreError::Overloaded { .. }) if asked < floor => {
                return self.bypass(id, asked.into()).await;
            }
            read => read?,
        };
        // An unknown id is not cached. Otherwise a client that counts upwards could fill the cache.
        if read.value.is_some() {
            self.fill(&cache_key(id), &Entry::filled(floor, &read), count)
                .await;
        }
        Ok(Lookup {
            product: read.value,
            status: CacheStatus::Miss,
            node: Some(read.node),
            token: asked.and(read.token),
        })
    }
    // ANCHOR_END: get

    /// One product directly from the database, without reading or filling the cache.
    pub async fn bypass(&self, id: GameId, consistency: Consistency) -> Result<Lookup, StoreError> {
        let read = self.catalog.product(id, consistency).await?;
        Ok(Lookup {
            product: read.value,
            status: CacheStatus::Bypass,
            node: Some(read.node),
            token: read.token,
        })
    }

    // ANCHOR: invalidate
    /// Deletes a product from the cache and leaves the position of the write there. Call it *after*
    /// the commit: a reader between an early invalidation and the commit would store the old value
    /// again. After `Ok`, no `get` of this process finds the old product in the cache.
    ///
    /// `write` is the token of the write. `None`: the database has no replicas.
    pub async fn invalidate(
        &self,
        id: GameId,
        write: Option<ConsistencyToken>,
    ) -> Result<(), CacheError> {
        {
            // Waits for the readers that are filling the cache now. The lock is released before the
            // delete: every later reader demands this write. So a cache that hangs delays only this
            // writer.
            let mut invalidations = self.invalidations.write().await;
            invalidations.count += 1;
            if let Some(write) = write {
                let last = invalidations.writes.entry(id).or_default();
                *last = write.max(*last);
            }
        }
        let key = cache_key(id);
        // First the delete: it is tried also while the cache seems to be away.
        self.cache.delete(&key).await?;
        if let Some(write) = write {
            self.store(&key, &Entry::changed(write)).await;
        }
        Ok(())
    }
    // ANCHOR_END: invalidate

    // ANCHOR: fill
    /// Caches a product, unless an invalidation came after the database query. `count_before` is
    /// the number of invalidations before the query.
    async fn fill(&self, key: &str, entry: &Entry, count_before: u64) {
        // Held until the value is set; see the field.
        let invalidations = self.invalidations.read().await;
        if invalidations.count == count_before {
            self.store(key, entry).await;
        }
    }
    // ANCHOR_END: fill

    async fn store(&self, key: &str, entry: &Entry) {
        if let Err(error) = self.cache.set(key, entry.to_bytes(), PRODUCT_TTL).await {
            let error = &error as &dyn Error;
            tracing::warn!(%key, error, "the product was not cached");
        }
    }
}

fn read_entry(key: &str, bytes: &[u8]) -> Option<Entry> {
    let entry = Entry::from_bytes(bytes);
    if entry.is_none() {
        tracing::warn!(%key, "the cached value is not a product; reading the database");
    }
    entry
}

fn cache_key(id: GameId) -> String {
    format!("product:{id}")
}
