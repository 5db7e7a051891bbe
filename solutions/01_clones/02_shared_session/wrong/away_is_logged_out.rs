// Wrong: when Redis does not answer, it takes the visitor for one who is not logged in.
// Says: so nobody knows who ada is, and `visit` says Ok(None)
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("the sessions cannot be reached: {0}")]
pub struct Unavailable(#[from] RedisError);

pub struct Sessions {
    redis: ConnectionManager,
}

impl Sessions {
    pub fn new(url: &str) -> Result<Self, Unavailable> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(Duration::from_secs(5)));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Sessions { redis })
    }

    pub async fn log_in(&self, user: &str, sent: Option<&str>) -> Result<String, Unavailable> {
        if let Some(sent) = sent {
            self.log_out(sent).await?;
        }
        let id = format!("{:032x}", rand::random::<u128>());
        redis::cmd("SET")
            .arg(key(&id))
            .arg(user)
            .arg("EX")
            .arg(TTL.as_secs())
            .exec_async(&mut self.redis.clone())
            .await?;
        Ok(id)
    }

    pub async fn visit(&self, id: &str) -> Result<Option<String>, Unavailable> {
        let mut command = redis::cmd("GETEX");
        command.arg(key(id)).arg("EX").arg(TTL.as_secs());
        Ok(command
            .query_async(&mut self.redis.clone())
            .await
            .unwrap_or(None))
    }

    pub async fn log_out(&self, id: &str) -> Result<(), Unavailable> {
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
