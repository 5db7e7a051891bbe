// Wrong: each clone keeps a copy of the sessions that it has loaded, also after a logout.
// Says: one clone still finds her session: does that clone keep a copy?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("Redis does not respond: {0}")]
pub struct SessionsUnavailable(#[from] RedisError);

pub struct RedisSessions {
    redis: ConnectionManager,
    loaded: Mutex<HashMap<String, String>>,
}

impl RedisSessions {
    pub fn new(url: &str) -> Result<Self, SessionsUnavailable> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_response_timeout(Some(Duration::from_secs(5)));
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        let loaded = Mutex::default();
        Ok(RedisSessions { redis, loaded })
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
            .exec_async(&mut self.redis.clone())
            .await?;
        Ok(id)
    }

    pub async fn load(&self, id: &str) -> Result<Option<String>, SessionsUnavailable> {
        if let Some(user) = self.loaded.lock().expect("no panic").get(id) {
            return Ok(Some(user.clone()));
        }
        let mut command = redis::cmd("GETEX");
        command.arg(key(id)).arg("EX").arg(TTL.as_secs());
        let user: Option<String> = command.query_async(&mut self.redis.clone()).await?;
        if let Some(user) = &user {
            let mut loaded = self.loaded.lock().expect("no panic");
            loaded.insert(id.to_owned(), user.clone());
        }
        Ok(user)
    }

    pub async fn log_out(&self, id: &str) -> Result<(), SessionsUnavailable> {
        self.loaded.lock().expect("no panic").remove(id);
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
