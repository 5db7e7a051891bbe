// Wrong: every call opens a connection of its own.
// Says: does each call connect again, instead of using `self.redis.clone()`?
// Breaks: rule 7
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("Redis does not respond: {0}")]
pub struct SessionsUnavailable(#[from] RedisError);

pub struct RedisSessions {
    client: Client,
}

impl RedisSessions {
    pub fn new(url: &str) -> Result<Self, SessionsUnavailable> {
        let client = Client::open(url)?;
        Ok(RedisSessions { client })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, SessionsUnavailable> {
        Ok(self.client.get_multiplexed_async_connection().await?)
    }

    pub async fn log_in(
        &self,
        user: &str,
        cookie_id: Option<&str>,
    ) -> Result<String, SessionsUnavailable> {
        if let Some(old) = cookie_id {
            self.log_out(old).await?;
        }
        let id = format!("{:032x}", rand::random::<u128>());
        redis::cmd("SET")
            .arg(key(&id))
            .arg(user)
            .arg("EX")
            .arg(TTL.as_secs())
            .exec_async(&mut self.connect().await?)
            .await?;
        Ok(id)
    }

    pub async fn load(&self, id: &str) -> Result<Option<String>, SessionsUnavailable> {
        let mut command = redis::cmd("GETEX");
        command.arg(key(id)).arg("EX").arg(TTL.as_secs());
        Ok(command.query_async(&mut self.connect().await?).await?)
    }

    pub async fn log_out(&self, id: &str) -> Result<(), SessionsUnavailable> {
        redis::cmd("DEL")
            .arg(key(id))
            .exec_async(&mut self.connect().await?)
            .await?;
        Ok(())
    }
}

fn key(id: &str) -> String {
    format!("session:{id}")
}
