// Wrong: each clone keeps the sessions in its own memory, where no other clone can see them.
// Says: and the other does not know it: where is the session kept?
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redis::{Client, RedisError};

pub const TTL: Duration = Duration::from_mins(30);

#[derive(Debug, thiserror::Error)]
#[error("the sessions cannot be reached: {0}")]
pub struct Unavailable(#[from] RedisError);

pub struct Sessions {
    users: Mutex<HashMap<String, (String, Instant)>>,
}

impl Sessions {
    pub fn new(url: &str) -> Result<Self, Unavailable> {
        Client::open(url)?;
        let users = Mutex::default();
        Ok(Sessions { users })
    }

    pub async fn log_in(&self, user: &str, sent: Option<&str>) -> Result<String, Unavailable> {
        if let Some(sent) = sent {
            self.log_out(sent).await?;
        }
        let id = format!("{:032x}", rand::random::<u128>());
        let session = (user.to_owned(), Instant::now());
        self.users
            .lock()
            .expect("nobody panics with the lock")
            .insert(id.clone(), session);
        Ok(id)
    }

    pub async fn visit(&self, id: &str) -> Result<Option<String>, Unavailable> {
        let mut users = self.users.lock().expect("nobody panics with the lock");
        users.retain(|_, (_, last_visit)| last_visit.elapsed() < TTL);
        Ok(users.get_mut(id).map(|(user, last_visit)| {
            *last_visit = Instant::now();
            user.clone()
        }))
    }

    pub async fn log_out(&self, id: &str) -> Result<(), Unavailable> {
        self.users
            .lock()
            .expect("nobody panics with the lock")
            .remove(id);
        Ok(())
    }
}
