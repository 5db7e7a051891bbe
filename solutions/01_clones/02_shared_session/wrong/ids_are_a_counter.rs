// Wrong: Redis counts the ids up: they are unique, but an attacker can guess them.
// Says: is every part of the id random, and long enough?
// Breaks: rule 2
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("Redis does not respond: {0}")]
pub struct SessionsUnavailable(#[from] RedisError);

pub struct RedisSessions {
    redis: ConnectionManager,
}

impl RedisSessions {
    pub fn new(url: &str) -> Result<Self, SessionsUnavailable> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(Duration::from_secs(5)));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(RedisSessions { redis })
    }

    pub async fn log_in(
        &self,
        user: &str,
        cookie_id: Option<&str>,
    ) -> Result<String, SessionsUnavailable> {
        if let Some(old) = cookie_id {
            self.log_out(old).await?;
        }
        let number: u64 = redis::cmd("INCR")
            .arg("sessions")
            .query_async(&mut self.redis.clone())
            .await?;
        let id = format!("{number:032x}");
        redis::cmd("SET")
            .arg(key(&id))
            .arg(user)
            .arg("EX")
            .arg(TTL.as_secs())
            .exec_async(&mut self.redis.clone())
            .await?;
        Ok(id)
    }

    pub async fn load(&self, id: &str) -> Result<Option<String>, SessionsUnavailable> {
        let mut command = redis::cmd("GETEX");
        command.arg(key(id)).arg("EX").arg(TTL.as_secs());
        Ok(command.query_async(&mut self.redis.clone()).await?)
    }

    pub async fn log_out(&self, id: &str) -> Result<(), SessionsUnavailable> {
        redis::cmd("DEL")
            .arg(key(id))
            .exec_async(&mut self.redis.clone())
            .await?;
        Ok(())
    }
}

fn key(id: &str) -> String {
    format!("session:{id}")
}
