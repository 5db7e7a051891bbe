//! # Ask the cache first
//!
//! On the day of the sale everybody looks at the same ten games. Each look is a query, and each query gives the answer of a second
//! ago. You would notice in the database's statistics: one statement, a million times, with ten different parameters.
//!
//! So the clones keep answers in Redis, where all of them find what one of them has asked. The code that needs the answer looks into
//! the cache first, and fills it when it had to ask the database: *cache-aside*. The hard part is the day after, when the price
//! changes and the cache still knows the old one.
//!
//! ## What must always be true
//!
//! 1. What is in the cache costs the database nothing (a *hit*), whichever clone put it there.
//! 2. What is not there is read from the database once and then kept (a *miss*), and never for longer than [`TTL`].
//! 3. When a change has returned, the next reader sees it, whoever read or wrote while it was being made: first the database,
//!    then *drop* the key.
//! 4. The cache is never needed. Without Redis everything is slower, and nothing is an error.
//! 5. "There is no such game" is an answer that is not kept.
//!
//! ## Predict
//!
//! Suppose a change dropped the key first, so that "nobody can see the old price", and then wrote to the database. A reader comes in
//! between. What does the next reader see, and for how long? The test `a_reader_in_the_middle_…` plays it.
//!
//! ## What to do
//!
//! Write the bodies of [`Prices::price`] and [`Prices::set_price`], about 30 lines with the helpers that you may want. Redis's commands
//! are sent with `redis::cmd("NAME").arg(…)` and then `query_async`, or `exec_async` if the answer does not matter:
//! <https://docs.rs/redis/latest/redis/struct.Cmd.html>. `cargo workshop check cache_aside` shows how far you are; it is red now, and
//! that is right.
//!
//! Left out: a reader that misses, is overtaken by a change, and then stores what it read before (the time to live ends that); a drop
//! that failed while Redis was away, which leaves the old price for as long; a hundred readers that all miss at once. Chapter 3 goes on
//! from there, in `src/product.rs`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

/// How long a price may be cached: a minute. It bounds the harm where dropping the key failed.
pub const TTL: Duration = Duration::from_mins(1);

/// How long a call waits for Redis at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the truth is. All prices are in cents.
#[async_trait]
pub trait Database: Send + Sync {
    /// The price of a game, or `None` if there is no such game. Each call is a query.
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError>;

    /// Changes the price of a game. When it returns `Ok`, everybody who asks the database sees the new one.
    async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError>;
}

/// The database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct DatabaseError(pub String);

/// The prices of all games, read through the cache. Each clone has a value of its own, and all of them share database and Redis.
pub struct Prices {
    database: Arc<dyn Database>,
    /// All requests of this clone share it; a clone of it is the same connection. It connects when it is first needed, and again for
    /// the next call after it broke.
    redis: ConnectionManager,
}

impl Prices {
    /// Prices from this database, cached in this Redis, `redis://HOST:PORT/DATABASE`. Nothing is sent yet, and the only error is an
    /// address that is none. To be called within a tokio runtime.
    pub fn new(database: Arc<dyn Database>, redis: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            // While Redis is away, say so at once: there is somebody else to ask.
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(redis)?, config)?;
        Ok(Prices { database, redis })
    }

    /// The price of a game in cents, or `None` if there is no such game. An error comes from the database, never from the cache.
    pub async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        todo!("return the cached price, or else the database's, which is then cached for `TTL`")
    }

    /// Changes the price of a game, in cents. `Ok` says that the database has it; whether the cache could be told is not the caller's
    /// business.
    pub async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError> {
        todo!(
            "return the database's outcome, after the change is made and the cache no longer has the old price"
        )
    }
}

/// The name under which Redis keeps the price of a game.
fn key(game: u64) -> String {
    format!("price:{game}")
}
