//! Sessions in Redis, which all clones share: the "after" of the lesson.
//!
//! Each session is one key, `session:{id}`, with JSON as its value and an expiry time. To log out
//! everywhere, the store needs all sessions of one user. A scan of all keys would block Redis for
//! every client, so each user has an index, `sessions-of:{user}`: a sorted set of session ids with
//! their expiry times. A script updates session and index in one step.
//!
//! The alternative is a counter for each user, copied into each session. It needs no script, but
//! every `load` would read two keys, and loads are far more frequent than logins.
//!
//! While Redis hangs, a request that needs the login waits for [`COMMAND_TIMEOUT`]. A public page
//! does without the user's name: the first ones wait for [`LOOKUP_TIMEOUT`], the later ones not at
//! all, because of a circuit breaker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use common::circuit_breaker::{CircuitBreaker, CircuitOpen};
use redis::{Cmd, FromRedisValue, RedisError};
use redis_connection::{Limits, RedisConnection};

use super::session::{
    LOOKUP_TIMEOUT, SESSION_TTL, Session, SessionError, SessionId, SessionStore, UserName,
};

/// The time for one call of the store, with all its attempts. Then the client gets a 503.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// The times for one attempt. A healthy Redis replies within a millisecond.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(1),
    response_timeout: Duration::from_secs(2),
    reconnect_retries: 1,
    reconnect_delay: Duration::from_millis(50),
};

/// How many random ids `create` tries. It needs a second one only if a reply was lost.
const MAX_ID_ATTEMPTS: usize = 3;

/// A [`SessionStore`] in Redis.
pub struct RedisSessions {
    connection: Arc<RedisConnection>,
    /// Open while Redis does not answer. Only `load_quickly` obeys it.
    circuit_breaker: Arc<CircuitBreaker>,
}

/// The URL of a Redis is not valid.
#[derive(Debug, thiserror::Error)]
#[error(
    "a Redis URL is `redis://HOST:PORT` or `redis://HOST:PORT/DATABASE`, such as `redis://127.0.0.1:6379/0`"
)]
pub struct InvalidRedisUrl(#[source] RedisError);

/// The value of a session's key is not a session.
#[derive(Debug, thiserror::Error)]
#[error("the value that Redis stores for {id:?} is not a session")]
struct InvalidValue {
    id: SessionId,
    source: serde_json::Error,
}

impl RedisSessions {
    /// Sessions in the Redis at `redis://HOST:PORT` or `redis://HOST:PORT/DATABASE`.
    ///
    /// It connects with the first call, so a clone can start before its Redis. While Redis is away,
    /// every call fails with [`SessionError::Unavailable`]: at once if Redis refuses connections,
    /// and within [`COMMAND_TIMEOUT`] if nothing replies.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        let connection = RedisConnection::new(url, LIMITS).map_err(InvalidRedisUrl)?;
        Ok(RedisSessions {
            connection: Arc::new(connection),
            circuit_breaker: Arc::default(),
        })
    }

    /// Sends a command, and sends it again if the connection breaks. Every command here is safe to
    /// send twice.
    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SessionError> {
        let attempts = async {
            match self.connection.query(command).await {
                // The connection may have broken long ago, and this call is the first to notice. Or
                // an attempt to connect has failed before Redis was back. Without the retry, every
                // clone would fail a request or two after a restart of Redis.
                Err(error) if error.is_io_error() => self.connection.query(command).await,
                reply => reply,
            }
        };
        let reply = tokio::time::timeout(COMMAND_TIMEOUT, attempts).await;
        let reply = reply.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        self.circuit_breaker.record(is_answered(&reply));
        reply.map_err(SessionError::unavailable)
    }

    /// Asks an absent Redis again, at most once in the breaker's open time. No request waits for
    /// the reply.
    fn try_again_in_background(&self) {
        if self.circuit_breaker.allow().is_ok() {
            let (connection, breaker) = (self.connection.clone(), self.circuit_breaker.clone());
            tokio::spawn(async move {
                let reply = connection.query::<String>(&redis::cmd("PING")).await;
                breaker.record(is_answered(&reply));
            });
        }
    }
}

/// Whether Redis answered. An error message is an answer too.
fn is_answered<T>(reply: &Result<T, RedisError>) -> bool {
    !reply.as_ref().is_err_and(RedisError::is_io_error)
}

/// The key of a session. An id has hexadecimal digits only, so a client cannot name another key.
fn key(id: &SessionId) -> String {
    format!("session:{}", id.as_str())
}

/// The key of a user's index. A user name needs no escaping.
fn index_key(user: &str) -> String {
    format!("sessions-of:{user}")
}

/// A script with its keys; the caller adds the arguments. It sends the whole text each time,
/// because Redis forgets loaded scripts (`EVALSHA`) when it restarts.
fn script(text: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}

// ANCHOR: scripts
/// Stores a session and adds it to its user's index. Returns 0 if the id is taken.
const CREATE: &str = r"
    local session, index = KEYS[1], KEYS[2]
    local id, value, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3])
    -- NX: do not overwrite a session. EX: Redis deletes the session when it expires.
    if not redis.call('SET', session, value, 'EX', seconds, 'NX') then return 0 end
    local now = tonumber(redis.call('TIME')[1])
    -- Remove expired sessions, or the index would grow for ever.
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now - 1)
    redis.call('ZADD', index, now + seconds, id)
    -- The index expires after the last session in it.
    if redis.call('TTL', index) < seconds + 1 then redis.call('EXPIRE', index, seconds + 1) end
    return 1
";

/// Deletes a session and removes it from its user's index. Deletes a value that is no session, too.
const DELETE: &str = r"
    local is_session, session = pcall(cjson.decode, redis.pcall('GET', KEYS[1]))
    if is_session and type(session) == 'table' and type(session.user) == 'string' then
        redis.call('ZREM', 'sessions-of:' .. session.user, ARGV[1])
    end
    return redis.call('DEL', KEYS[1])
";

/// Deletes all sessions in a user's index, and the index.
const END_ALL: &str = r"
    for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        redis.call('DEL', 'session:' .. id)
    end
    return redis.call('DEL', KEYS[1])
";
// ANCHOR_END: scripts

#[async_trait]
impl SessionStore for RedisSessions {
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError> {
        let value = serde_json::to_string(session).expect("a name and a time are always JSON");
        let time_left = session.created_at + SESSION_TTL - Utc::now();
        for _ in 0..MAX_ID_ATTEMPTS {
            let id = SessionId::random();
            // Redis takes whole seconds, at least 1. `load` checks the exact time.
            let seconds = (time_left.num_seconds() + 1).max(1);
            let mut command = script(CREATE, &[key(&id), index_key(&session.user)]);
            if self
                .query(command.arg(id.as_str()).arg(&value).arg(seconds))
                .await?
            {
                return Ok(id);
            }
            // The id is taken, most likely by this call: the first reply was lost with its
            // connection. No client knows that id, so it is never used.
        }
        Err(SessionError::unavailable(
            "all random session ids were taken",
        ))
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        let value: Option<String> = self.query(redis::cmd("GET").arg(key(id))).await?;
        let Some(value) = value else { return Ok(None) };
        // Not `None`: a foreign value under this key is an error and must not look like a logout. A
        // new login helps, because it deletes the key.
        let session: Session = serde_json::from_str(&value).map_err(|source| {
            let id = id.clone();
            SessionError::unavailable(InvalidValue { id, source })
        })?;
        Ok(Some(session).filter(|session| !session.is_expired(Utc::now())))
    }

    async fn load_quickly(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        if self.circuit_breaker.is_open() {
            self.try_again_in_background();
            return Err(SessionError::unavailable(CircuitOpen));
        }
        let loaded = tokio::time::timeout(LOOKUP_TIMEOUT, self.load(id)).await;
        loaded.unwrap_or_else(|timeout| {
            self.circuit_breaker.record(false);
            Err(SessionError::unavailable(timeout))
        })
    }

    async fn delete(&self, id: &SessionId) -> Result<(), SessionError> {
        let mut command = script(DELETE, &[key(id)]);
        let _was_there: bool = self.query(command.arg(id.as_str())).await?;
        Ok(())
    }

    async fn end_all(&self, user: &UserName) -> Result<(), SessionError> {
        let _was_there: bool = self
            .query(&script(END_ALL, &[index_key(user.as_str())]))
            .await?;
        Ok(())
    }
}
