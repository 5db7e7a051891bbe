//! One Redis server as a cache that all clones share.
//!
//! Redis is a single place: what one clone sets or deletes, every clone sees, and an invalidation reaches everybody at once. All
//! commands of a process travel over one connection, one behind the other without waiting (redis-rs multiplexes them),
//! so no pool is needed. The connection is made when it is first needed and made again when it breaks.
//!
//! A cache must not cost more than the database that it spares: hence short time-outs, no retries, and `outage.rs`.
//!
//! Left out: replicas and Redis Cluster. And two ways in which an old value is served until its time to live ends, which is why
//! every entry has an end. A `delete` fails, and Redis comes back with its memory: the network was cut, not the power. The
//! writer learns of it, and can do no more about it here. Or a `set` is given up, which may still be on its way, and it
//! arrives after a `delete` that took a newer connection.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult};

use crate::cache::{Cache, CacheError, PATIENCE};
use crate::outage::Outage;

/// Redis counts in milliseconds since 1970 and refuses what it cannot add to them. Nothing is cached for longer than this.
const LONGEST_TTL: Duration = Duration::from_hours(100 * 365 * 24);

/// A cache in Redis.
pub struct RedisCache {
    client: Client,
    patience: Duration,
    prefix: String,
    /// Makes a new connection by itself when the old one breaks. Replaced when the old one falls silent.
    manager: Mutex<ConnectionManager>,
    outage: Outage,
}

impl RedisCache {
    /// A cache in the Redis at `url`, such as `redis://127.0.0.1:6379/0`. Nothing is connected yet, so Redis may still be away.
    /// All keys begin with `prefix`, so that others can use the same Redis; it may be empty.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &str, prefix: impl Into<String>) -> Result<Self, CacheError> {
        RedisCache::with_patience(url, prefix, PATIENCE)
    }

    /// The same, with another limit than [`PATIENCE`]. A call that has to connect first may wait twice as long.
    pub fn with_patience(
        url: &str,
        prefix: impl Into<String>,
        patience: Duration,
    ) -> Result<Self, CacheError> {
        let open = || -> RedisResult<(Client, ConnectionManager)> {
            // Without `nodelay` the kernel may hold a small command back until an earlier one is acknowledged.
            let settings = TcpSettings::default().set_nodelay(true);
            let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
            let manager = connect_lazily(&client, patience)?;
            Ok((client, manager))
        };
        // The address is not repeated: it may have a password in it.
        let (client, manager) = open().map_err(|error| {
            CacheError::Misconfigured(format!(
                "the address given for Redis is none ({error}); expected redis://HOST:PORT or redis://HOST:PORT/DATABASE"
            ))
        })?;
        Ok(RedisCache {
            client,
            patience,
            prefix: prefix.into(),
            manager: Mutex::new(manager),
            outage: Outage::default(),
        })
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        let mut manager = self.manager().clone();
        let answer = command.query_async(&mut manager).await;
        if answer.as_ref().is_err_and(RedisError::is_timeout) {
            // The manager replaces a connection that breaks, but goes on using one that has fallen silent, until the kernel
            // gives it up: up to a quarter of an hour if the other machine is gone.
            *self.manager() = connect_lazily(&self.client, self.patience).map_err(cache_error)?;
        }
        let answer = answer.map_err(cache_error);
        self.outage.learn(&answer);
        answer
    }

    fn manager(&self) -> MutexGuard<'_, ConnectionManager> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.outage.admits()?;
        let value: Option<Vec<u8>> = self.ask(redis::cmd("GET").arg(self.key(key))).await?;
        Ok(value.map(Bytes::from))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        // To Redis a time to live of zero is an error, and none at all means for ever.
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        self.outage.admits()?;
        let millis = ttl.min(LONGEST_TTL).as_nanos().div_ceil(1_000_000);
        let mut command = redis::cmd("SET");
        command
            .arg(self.key(key))
            .arg(&value[..])
            .arg("PX")
            .arg(millis as u64);
        let answer = self.ask(&command).await;
        if let Err(CacheError::Refused(_)) = answer {
            // A Redis whose memory is full keeps the old value, and still deletes.
            self.delete(key).await?;
        }
        answer
    }

    /// Tries even while reads are turned away: what is not deleted now is served until it expires.
    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        self.ask(redis::cmd("DEL").arg(self.key(key))).await
    }
}

fn connect_lazily(client: &Client, patience: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(patience))
        .set_response_timeout(Some(patience))
        // All callers wait while a connection is being made. Retries would make them wait longer for a Redis that is away.
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

fn cache_error(error: RedisError) -> CacheError {
    match error.kind() {
        ErrorKind::Io => CacheError::unavailable(error),
        _ => CacheError::refused(error),
    }
}
