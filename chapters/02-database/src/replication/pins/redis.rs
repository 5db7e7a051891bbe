//! Pins in Redis, which all clones share. Each pin is one key, `pin:{subject}`, with the token as
//! its value and an expiry time.

use std::time::Duration;

use async_trait::async_trait;
use common::circuit_breaker::CircuitBreaker;
use redis::{Cmd, FromRedisValue, RedisError};
use redis_connection::{Limits, RedisConnection};

use super::{PIN_TTL, PinStore};
use crate::model::StoreError;
use crate::replication::ConsistencyToken;

/// The limit for one command. Every page of a logged-in user asks for the pin, so a Redis that
/// hangs must not make them slow.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(250);

/// A [`PinStore`] in Redis.
pub struct RedisPins {
    connection: RedisConnection,
    circuit_breaker: CircuitBreaker,
}

/// The URL of a Redis is not valid.
#[derive(Debug, thiserror::Error)]
#[error("the Redis for pins has a URL such as `redis://127.0.0.1:6379/0`")]
pub struct InvalidPinsUrl(#[source] RedisError);

impl RedisPins {
    /// Pins in the Redis at `redis://HOST:PORT` or `redis://HOST:PORT/DATABASE`. It connects with
    /// the first call, so Redis may start later.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &str) -> Result<Self, InvalidPinsUrl> {
        let limits = Limits::new(COMMAND_TIMEOUT);
        Ok(RedisPins {
            connection: RedisConnection::new(url, limits).map_err(InvalidPinsUrl)?,
            circuit_breaker: CircuitBreaker::default(),
        })
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let reply = self.connection.query(command).await;
        // An error message is an answer too.
        let is_answered = !reply.as_ref().is_err_and(RedisError::is_io_error);
        self.circuit_breaker.record(is_answered);
        reply.map_err(StoreError::unavailable)
    }

    /// While Redis is away, most readers learn it at once instead of waiting.
    async fn query_quickly<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let allowed = self.circuit_breaker.allow();
        allowed.map_err(StoreError::unavailable)?;
        self.query(command).await
    }
}

fn key(subject: &str) -> String {
    format!("pin:{subject}")
}

fn script(text: &str, subject: &str) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(1).arg(key(subject));
    command
}

// ANCHOR: scripts
/// Stores the later of two tokens. All tokens have the same length, so the order of their texts is
/// their order. A value of another length is no token and is replaced.
const PIN: &str = r"
    local pin, token, seconds = KEYS[1], ARGV[1], ARGV[2]
    local earlier = redis.call('GET', pin)
    if earlier and #earlier == #token and earlier > token then token = earlier end
    redis.call('SET', pin, token, 'EX', seconds)
    return 1
";

/// Deletes the pin if it still holds the token. Redis runs a script in one step, so no write of the
/// same user comes between the comparison and the deletion.
const RELEASE: &str = r"
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('DEL', KEYS[1])
";
// ANCHOR_END: scripts

#[async_trait]
impl PinStore for RedisPins {
    /// Ignores an open circuit: without the pin, the user's next read may be stale.
    async fn pin(&self, subject: &str, token: ConsistencyToken) -> Result<(), StoreError> {
        let mut command = script(PIN, subject);
        command.arg(token.to_string()).arg(PIN_TTL.as_secs());
        let _one: u8 = self.query(&command).await?;
        Ok(())
    }

    async fn get(&self, subject: &str) -> Result<Option<ConsistencyToken>, StoreError> {
        let command = Cmd::get(key(subject));
        let text: Option<String> = self.query_quickly(&command).await?;
        // Another version of the store may have written another format.
        Ok(text.and_then(|text| text.parse().ok()))
    }

    async fn release(&self, subject: &str, token: ConsistencyToken) -> Result<bool, StoreError> {
        let mut command = script(RELEASE, subject);
        self.query_quickly(command.arg(token.to_string())).await
    }
}
