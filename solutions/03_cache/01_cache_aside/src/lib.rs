//! # Cache-aside
//!
//! On the day of a sale, all customers look at the same ten games. Each page view sends a query to
//! the database, and the result is the same as a second ago. In the database's statistics you see
//! one statement that runs a million times, with ten different parameters.
//!
//! So the clones store results in Redis, where all clones can read them. Code that needs a price
//! looks in the cache first. If the price is not there, the code asks the database and stores the
//! result in the cache: *cache-aside*. The difficult part comes the next day, when a price changes
//! and the cache still has the old one.
//!
//! ## Rules
//!
//! 1. A price that is in the cache needs no query (a *hit*), whichever clone stored it.
//! 2. A price that is not in the cache is read from the database once and then cached (a *miss*).
//!    Redis deletes it [`TTL`] after it was stored, even if it is read often, and even if a clone
//!    has crashed between two commands.
//! 3. When `set_price` has returned, the next reader sees the new price: change the database first,
//!    then *delete* the key and wait for the reply. The prices of other games stay in the cache.
//! 4. `set_price` stores no price. Of two writers, the slower one has the older price.
//! 5. The store works without the cache. If Redis is down, everything is slower, but no call fails.
//!    A cached value that is not a price counts as a miss, and is replaced.
//! 6. Only prices are cached: "there is no such game" is not, and neither is an error. The caller
//!    gets the database's error.
//! 7. Redis has other data too, such as sessions. The cache uses only keys with its own prefix.
//!
//! ## Predict
//!
//! Suppose a change deletes the key first, so that "no client can see the old price", and then
//! changes the database. A reader comes in between. What does the next reader see, and for how
//! long? The test `reader_during_a_change_caches_no_old_price` shows it.
//!
//! ## What to do
//!
//! Write the bodies of [`Prices::price`] and [`Prices::set_price`]: about 30 lines with helper
//! functions. This sends a command and reads its reply:
//!
//! ```text
//! let visits: Result<Option<u64>, RedisError> = redis::cmd("GET")
//!     .arg("visits")
//!     .query_async(&mut self.redis.clone())
//!     .await;
//! ```
//!
//! `clone` copies a handle, and all handles use the same connection. The type on the left says how
//! to read the reply; `None` is Redis's "nil", which means that there is no such key, and a reply
//! that is no number is an error. Use `exec_async` instead of `query_async` if you do not need the
//! reply. `cargo workshop check cache_aside` runs the tests. They fail now; that is expected.
//!
//! Left out: a reader that misses, reads the old price, and stores it after a change (the time to
//! live ends that); a failed delete while Redis is down, which leaves the old price for the time to
//! live; a hundred readers that miss at the same time. Chapter 3 continues there, in
//! `chapters/03-cache/src/object_cache/`.

#![warn(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

/// How long a price stays in the cache: one minute. If deleting the key fails, readers see the old
/// price for this time at most.
pub const TTL: Duration = Duration::from_mins(1);

/// How long a call waits for Redis at most: to connect, and for a reply.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// The database, which always has the right prices. All prices are in cents.
#[async_trait]
pub trait Database: Send + Sync {
    /// The price of a game, or `None` if there is no such game. Each call is a query.
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError>;

    /// Changes the price of a game. After `Ok`, every query returns the new price.
    async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError>;
}

/// The database returned an error.
#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct DatabaseError(pub String);

/// The prices of all games, read through the cache. Each clone has its own value, and all values
/// use the same database and the same Redis.
pub struct Prices {
    database: Arc<dyn Database>,
    /// All requests of this clone share this connection; cloning the value is cheap. It connects
    /// at the first command, and again at the next command after it broke.
    redis: ConnectionManager,
}

impl Prices {
    /// Prices from this database, cached in the Redis at `redis`: `redis://HOST:PORT/DATABASE`.
    /// Nothing is sent yet; an invalid address is the only error. Call this within a tokio runtime.
    pub fn new(database: Arc<dyn Database>, redis: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(COMMAND_TIMEOUT))
            .set_response_timeout(Some(COMMAND_TIMEOUT))
            // While Redis is down, return an error at once. The database has the price too.
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(redis)?, config)?;
        Ok(Prices { database, redis })
    }

    /// The price of a game in cents, or `None` if there is no such game. Errors come from the
    /// database, never from the cache.
    pub async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        if let Some(cents) = self.lookup(game).await {
            return Ok(Some(cents));
        }
        let price = self.database.price(game).await?;
        // Caches only prices that exist. Otherwise a client that tries all numbers fills the cache.
        if let Some(cents) = price {
            self.store(game, cents).await;
        }
        Ok(price)
    }

    /// Changes the price of a game, in cents. `Ok` means that the database has the new price, even
    /// if Redis is down.
    pub async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError> {
        // The database first. If the key were deleted first, a reader could come before the commit
        // and cache the old price again.
        self.database.set_price(game, cents).await?;
        self.invalidate(game).await;
        Ok(())
    }

    /// The cached price. After a miss or any error, the caller asks the database.
    async fn lookup(&self, game: u64) -> Option<u64> {
        let cached = redis::cmd("GET")
            .arg(key(game))
            .query_async(&mut self.redis.clone())
            .await;
        cached.unwrap_or(None)
    }

    /// Caches a price. One command sets the value and its time to live, so no key lives forever.
    async fn store(&self, game: u64, cents: u64) {
        let mut set = redis::cmd("SET");
        set.arg(key(game)).arg(cents).arg("EX").arg(TTL.as_secs());
        log_error(set.exec_async(&mut self.redis.clone()).await);
    }

    /// Deletes the cached price instead of replacing it. Of two writers, the one that commits first
    /// may reach the cache last. The next reader asks the database, which has the right price.
    async fn invalidate(&self, game: u64) {
        log_error(
            redis::cmd("DEL")
                .arg(key(game))
                .exec_async(&mut self.redis.clone())
                .await,
        );
    }
}

/// Logs a Redis error for the operator. The client gets no error.
fn log_error(result: Result<(), RedisError>) {
    if let Err(error) = result {
        eprintln!("the cache does not respond: {error}");
    }
}

/// The Redis key of the price of a game.
fn key(game: u64) -> String {
    format!("price:{game}")
}
