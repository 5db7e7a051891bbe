//! The interface [`Cache`] and its implementations.
//!
//! [`MemoryCache`] is a map in this process. [`RedisCache`] and [`MemcachedCache`] are shared by
//! all clones. Values are bytes, because Memcached knows nothing else. The module
//! [`contract`](crate::contract) tests what every implementation must do.

pub mod memcached;
mod memory;
mod redis;

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub use memcached::MemcachedCache;
pub use memory::MemoryCache;
pub use redis::RedisCache;

use common::circuit_breaker::CircuitOpen;

/// The default limit for one command. A working cache answers in less than a millisecond, and the
/// database needs some milliseconds for a page. A longer wait makes the cache useless.
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(250);

/// A key-value store that may forget any value at any time.
#[async_trait]
pub trait Cache: Send + Sync + 'static {
    /// The value of this key. `None` if it was never set, has expired, was evicted or was deleted.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Stores the value for at most `ttl`, rounded up to the unit of the server: a millisecond in
    /// Redis, a second in Memcached. A `ttl` of zero stores nothing and deletes the old value.
    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError>;

    /// Deletes the value. After `Ok`, no later `get` returns the old value.
    async fn delete(&self, key: &str) -> Result<(), CacheError>;
}

/// Why a cache command failed. A reader treats every error as a miss. Only an invalidation must
/// report it.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The server is down or did not answer in time. The outcome of a `set` or `delete` is unknown:
    /// the server may have executed the command, or may still do so.
    #[error("the cache cannot answer right now")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The server answered with an error: the value is too large, or the memory is full. After a
    /// `set`, the old value is deleted anyway.
    #[error("the cache server rejected the command")]
    Rejected(#[source] Box<dyn Error + Send + Sync>),
    /// The configuration is wrong. A retry does not help.
    #[error("{0}")]
    Misconfigured(String),
}

impl CacheError {
    /// Wraps the reason why the server gave no answer.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CacheError::Unavailable(cause.into())
    }

    /// Wraps the server's error.
    pub fn rejected(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CacheError::Rejected(cause.into())
    }
}

impl From<CircuitOpen> for CacheError {
    fn from(open: CircuitOpen) -> Self {
        CacheError::unavailable(open)
    }
}

/// Whether the server answered. An error message is an answer too: the server is reachable.
fn is_answered<T>(result: &Result<T, CacheError>) -> bool {
    !matches!(result, Err(CacheError::Unavailable(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::circuit_breaker::CircuitBreaker;

    #[test]
    fn rejected_command_keeps_the_circuit_closed() {
        let breaker = CircuitBreaker::default();
        let rejected: Result<(), _> = Err(CacheError::rejected("the value is too large"));
        breaker.record(is_answered(&rejected));
        assert!(
            breaker.allow().is_ok(),
            "the server answered with an error, so it is reachable"
        );
    }
}
