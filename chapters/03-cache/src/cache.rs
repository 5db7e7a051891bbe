//! The seam behind which a cache stands: [`Cache`].
//!
//! Before: a map in the server's memory. After: Redis, or several Memcached nodes, shared by all clones. Values are bytes,
//! because that is all Memcached knows. Left out: `add`, compare-and-swap and counters, until a lesson needs them.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A key-value store that may forget anything at any time.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The value under this key, unless it was never set, has expired, was evicted or was deleted.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Keeps the value for at most `ttl`.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    /// Forgets the value. When this returns, no later `get` sees what was there before.
    async fn delete(&self, key: &str) -> Result<(), CacheError>;
}

/// Why a cache could not answer. A reader treats it as a miss; only who *must* invalidate has to care.
#[derive(Debug, thiserror::Error)]
#[error("the cache cannot answer right now")]
pub struct CacheError(#[source] pub Box<dyn Error + Send + Sync>);
