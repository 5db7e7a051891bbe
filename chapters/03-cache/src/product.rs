//! The product as a cached object, read cache-aside.
//!
//! A product page needs a game and its reviews, so it costs several queries. The assembled [`Product`] is kept under one key,
//! `product:7`, and a change to *any* of its parts drops it. That is what makes cached objects simpler than cached
//! queries: there is one key to drop, and everybody knows its name.
//!
//! Left out, and owed to the reader: a reader that missed, read the database, and was then overtaken by a writer's
//! invalidation stores a value that is already old, and it stays until the time to live ends. The cure (a lease) is
//! this chapter's later lesson. Likewise a hundred readers that miss at the same moment all go to the database.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::game::Product;
use ch02_database::{Catalog, GameId, Node, StoreError};

use crate::cache::{Cache, CacheError};

/// How long a product may be cached. Invalidation keeps it right; the time to live bounds the harm where invalidation fails.
pub const PRODUCT_TTL: Duration = Duration::from_mins(5);

/// The catalogue's products, through a cache.
#[derive(Clone)]
pub struct ProductCache {
    cache: Arc<dyn Cache>,
    catalog: Arc<dyn Catalog>,
}

/// How the cache took part in an answer. It becomes the response header `x-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// The answer came from the cache; no database was asked.
    Hit,
    /// The cache did not have it; the database was asked and the cache filled.
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
        ProductCache { cache, catalog }
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
                tracing::warn!(%key, %error, "reading the database instead");
                return self.bypass(id).await;
            }
        }
        let read = self.catalog.product(id).await?;
        // An unknown id is not cached: a client that counts upwards could fill the cache with nothing.
        if let Some(product) = &read.value {
            let bytes = serde_json::to_vec(product).expect("a product has only string keys and finite numbers");
            if let Err(error) = self.cache.set(&key, bytes.into(), PRODUCT_TTL).await {
                tracing::warn!(%key, %error, "the product was not cached");
            }
        }
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

    /// Drops a product. Call it *after* the write has been committed: a reader between an early invalidation and the
    /// commit would put the old value back.
    pub async fn invalidate(&self, id: GameId) -> Result<(), CacheError> {
        self.cache.delete(&key(id)).await
    }
}

fn key(id: GameId) -> String {
    format!("product:{id}")
}
