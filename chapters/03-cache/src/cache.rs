//! The seam behind which a cache stands: [`Cache`].
//!
//! Before: a map in the server's memory. After: Redis, or several Memcached nodes, shared by all clones. Values are bytes,
//! because that is all Memcached knows. What every implementation has to keep is also there as code, in
//! [`contract`](crate::contract). Left out: `add`, compare-and-swap and counters, until a lesson needs them.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// How long a cache server may take to answer, unless it is opened with another limit. It answers in less than a millisecond
/// when all is well, and a database needs some milliseconds for a page: who has waited this long has lost already.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// A key-value store that may forget anything at any time.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The value under this key, unless it was never set, has expired, was evicted or was deleted.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Keeps the value for at most `ttl`, rounded up to the unit that the store counts in: a millisecond in Redis, a second in
    /// Memcached. A `ttl` of zero keeps nothing, and drops what was there before.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    /// Forgets the value. When this returns `Ok`, no later `get` sees what was there before.
    async fn delete(&self, key: &str) -> Result<(), CacheError>;
}

/// Why a cache did not do it. A reader treats it as a miss; only who *must* invalidate has to care.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The server is away, or did not answer in time. After a `set` or a `delete` nobody knows whether it was carried out, or
    /// still will be.
    #[error("the cache cannot answer right now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The server answered, and would not: the value is too large for it, say, or its memory is full. After a `set`, what was
    /// there before is gone all the same.
    #[error("the cache refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The cache cannot be used as it was described when it was opened. Trying again will not help.
    #[error("{0}")]
    Misconfigured(String),
}

impl CacheError {
    /// Wraps the reason why there is no answer.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CacheError::Unavailable(cause.into())
    }

    /// Wraps what the server said.
    pub fn refused(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CacheError::Refused(cause.into())
    }
}
