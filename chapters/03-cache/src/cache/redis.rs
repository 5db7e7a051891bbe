//! One Redis server as a cache that all clones share.
//!
//! What one clone sets or deletes, every clone sees immediately. All commands of a process use one
//! [`RedisConnection`], which connects with the first command and replaces a silent connection.
//!
//! A cache must not cost more than the database queries that it saves. So the time-outs are short,
//! there are no retries, and a circuit breaker skips a server that has failed.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError};
use redis_connection::{Limits, RedisConnection};

use super::{COMMAND_TIMEOUT, Cache, CacheError, is_answered};
use common::circuit_breaker::CircuitBreaker;

/// The longest time to live. Redis adds it to the milliseconds since 1970 and rejects an overflow.
const MAX_TTL: Duration = Duration::from_hours(100 * 365 * 24);

/// A cache in Redis.
pub struct RedisCache {
    connection: RedisConnection,
    key_prefix: String,
    circuit_breaker: CircuitBreaker,
}

impl RedisCache {
    /// A cache in the Redis server at `url`, such as `redis://127.0.0.1:6379/0`. Nothing connects
    /// yet, so the server may be down. All keys start with `key_prefix`, which may be empty.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &str, key_prefix: impl Into<String>) -> Result<Self, CacheError> {
        RedisCache::with_timeout(url, key_prefix, COMMAND_TIMEOUT)
    }

    /// The same with another limit than [`COMMAND_TIMEOUT`]. A command that must connect first may
    /// take twice as long.
    pub fn with_timeout(
        url: &str,
        key_prefix: impl Into<String>,
        timeout: Duration,
    ) -> Result<Self, CacheError> {
        // The message does not contain the URL, because it may contain a password.
        let connection = RedisConnection::new(url, Limits::new(timeout)).map_err(|error| {
            CacheError::Misconfigured(format!(
                "invalid Redis address ({error}); \
                 expected redis://HOST:PORT or redis://HOST:PORT/DATABASE"
            ))
        })?;
        Ok(RedisCache {
            connection,
            key_prefix: key_prefix.into(),
            circuit_breaker: CircuitBreaker::default(),
        })
    }

    fn prefixed(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        let reply = self.connection.query(command).await;
        let reply = reply.map_err(CacheError::from);
        self.circuit_breaker.record(is_answered(&reply));
        reply
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.circuit_breaker.allow()?;
        let mut command = redis::cmd("GET");
        command.arg(self.prefixed(key));
        let value: Option<Vec<u8>> = self.query(&command).await?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        // Redis rejects a time to live of zero. Without a time to live it stores the value for
        // ever.
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        self.circuit_breaker.allow()?;
        let millis = ttl.min(MAX_TTL).as_nanos().div_ceil(1_000_000);
        let mut command = redis::cmd("SET");
        command
            .arg(self.prefixed(key))
            .arg(&value[..])
            .arg("PX")
            .arg(millis as u64);
        let reply = self.query(&command).await;
        if let Err(CacheError::Rejected(_)) = reply {
            // A Redis server without free memory keeps the old value, and still deletes.
            self.delete(key).await?;
        }
        reply
    }

    /// Ignores an open circuit: an old value that is not deleted now stays until it expires.
    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.query(redis::cmd("DEL").arg(self.prefixed(key))).await
    }
}

impl From<RedisError> for CacheError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io => CacheError::unavailable(error),
            _ => CacheError::rejected(error),
        }
    }
}
