// Wrong: the time to live is in milliseconds, but `EX` takes seconds: 16 hours.
// Says: in which unit is the time to live?
// Breaks: rule 2
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(1);

#[async_trait]
pub trait Database: Send + Sync {
    async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError>;
    async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct DatabaseError(pub String);

pub struct Prices {
    database: Arc<dyn Database>,
    redis: ConnectionManager,
}

impl Prices {
    pub fn new(database: Arc<dyn Database>, redis: &str) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(Duration::from_secs(5)));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(redis)?, config)?;
        Ok(Prices { database, redis })
    }

    pub async fn price(&self, game: u64) -> Result<Option<u64>, DatabaseError> {
        let cached = redis::cmd("GET")
            .arg(key(game))
            .query_async(&mut self.redis.clone())
            .await;
        if let Ok(Some(cents)) = cached {
            return Ok(Some(cents));
        }
        let price = self.database.price(game).await?;
        if let Some(cents) = price {
            self.store(game, cents).await;
        }
        Ok(price)
    }

    pub async fn set_price(&self, game: u64, cents: u64) -> Result<(), DatabaseError> {
        self.database.set_price(game, cents).await?;
        let _: Result<(), _> = redis::cmd("DEL")
            .arg(key(game))
            .exec_async(&mut self.redis.clone())
            .await;
        Ok(())
    }

    async fn store(&self, game: u64, cents: u64) {
        let mut set = redis::cmd("SET");
        set.arg(key(game))
            .arg(cents)
            .arg("EX")
            .arg(TTL.as_millis().to_string());
        let _ = set.exec_async(&mut self.redis.clone()).await;
    }
}

fn key(game: u64) -> String {
    format!("price:{game}")
}
