// Wrong: each clone keeps the sessions in its own memory, and the other clones cannot read them.
// Says: is the session stored in Redis?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("Redis does not respond: {0}")]
pub struct SessionsUnavailable(#[from] RedisError);

pub struct RedisSessions {
    users: Mutex<HashMap<String, (String, Instant)>>,
}

impl RedisSessions {
    pub fn new(url: &str) -> Result<Self, SessionsUnavailable> {
        Client::open(url)?;
        let users = Mutex::default();
        Ok(RedisSessions { users })
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
        let session = (user.to_owned(), Instant::now());
        self.users
            .lock()
            .expect("no code panics while it holds this lock")
            .insert(id.clone(), session);
        Ok(id)
    }

    pub async fn load(&self, id: &str) -> Result<Option<String>, SessionsUnavailable> {
        let mut users = self
            .users
            .lock()
            .expect("no code panics while it holds this lock");
        users.retain(|_, (_, last_use)| last_use.elapsed() < TTL);
        Ok(users.get_mut(id).map(|(user, last_use)| {
            *last_use = Instant::now();
            user.clone()
        }))
    }

    pub async fn log_out(&self, id: &str) -> Result<(), SessionsUnavailable> {
        self.users
            .lock()
            .expect("no code panics while it holds this lock")
            .remove(id);
        Ok(())
    }
}
