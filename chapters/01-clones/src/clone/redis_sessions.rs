//! Sessions in Redis: one server that every clone asks, so no clone has to remember anything. The "after" of the lesson.
//!
//! Each session is one key, `session:{id}`, with the session as JSON. Redis itself removes it when its time is over.
//! All of a clone's requests share one connection, which mends itself; [`RedisSessions::new`] says what happens while
//! Redis is away.
//!
//! *Log out everywhere* has to find a user's sessions. Looking through all keys would keep everybody waiting, so each user has
//! an index, `sessions-of:{user}`: a sorted set of ids, by the time at which each one ends. Login and index are one step, a
//! script that nothing can come between. The other design is a number for each user, copied into each session, that goes
//! up when all of them shall end: it needs no script, but every `load` has to ask for two keys, and a visitor loads with each
//! click and logs in once a week. So the rare request pays here, and not the frequent one.
//!
//! Left out: Redis Cluster. The scripts touch keys of sessions and of users, which lie on different nodes there; the number for
//! each user would do. Also a second Redis to fall back to (Sentinel), TLS, keeping the sessions over a restart of Redis
//! (`appendonly yes`), and a circuit breaker: while Redis hangs, each request that has a session waits for the whole of
//! [`PATIENCE`].

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult};

use crate::clone::session::{
    SESSION_TTL, Session, SessionError, SessionId, SessionStore, UserName,
};

/// How long a call waits for Redis, whatever it is that takes so long. Then the visitor gets a 503.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Until a new connection stands, the greeting included.
const CONNECT: Duration = Duration::from_secs(1);

/// From sending a command to its answer. A healthy Redis needs less than a millisecond.
const ANSWER: Duration = Duration::from_secs(2);

/// How often, and after about which pause, a connection is tried again before the call that waits for it fails. Short,
/// because a visitor is waiting.
const RECONNECTS: usize = 1;
const PAUSE: Duration = Duration::from_millis(50);

/// How many random ids are tried. More than one is needed only if an answer got lost, or if the random generator is broken.
const IDS: usize = 3;

/// Sessions in Redis.
pub struct RedisSessions {
    client: Client,
    /// The connection that all calls share. Replaced by a new one when it has let a call wait for too long.
    connection: Mutex<Arc<ConnectionManager>>,
}

/// The address of a Redis cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "a Redis is given as `redis://HOST:PORT` or `redis://HOST:PORT/DATABASE`, such as `redis://127.0.0.1:6379/0`"
)]
pub struct InvalidRedisUrl(#[source] RedisError);

/// Something else than a session lies under a session's key.
#[derive(Debug, thiserror::Error)]
#[error("what Redis keeps for {id:?} is no session")]
struct Unreadable {
    id: SessionId,
    source: serde_json::Error,
}

impl RedisSessions {
    /// Sessions in the Redis at this URL: `redis://HOST:PORT`, with `/NUMBER` for another of its databases than 0.
    ///
    /// Connects when the first call needs it, so a clone can start before its Redis, and again whenever the connection has
    /// broken. While Redis is away, every call fails with [`SessionError::Unavailable`]: at once if the address refuses, and
    /// within [`PATIENCE`] if nothing answers at all.
    ///
    /// Call it within a tokio runtime.
    pub fn new(url: &str) -> Result<Self, InvalidRedisUrl> {
        let address = url.into_connection_info().map_err(InvalidRedisUrl)?;
        // Several small commands on one connection: with Nagle's algorithm the second would wait until the first is acknowledged.
        let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(address).map_err(InvalidRedisUrl)?;
        let connection = connect_lazily(&client).map_err(InvalidRedisUrl)?;
        Ok(RedisSessions {
            client,
            connection: Mutex::new(Arc::new(connection)),
        })
    }

    /// Sends a command and waits for its answer. None of our commands does harm when it is sent twice, so if the connection
    /// breaks, this does.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, SessionError> {
        let asking = async {
            match self.try_to_ask(command).await {
                // The connection was lost a while ago and only this call has found out; or what we hear of is an attempt to
                // connect that failed before Redis was back. Without a second try, each clone would fail a request or two
                // after each restart of Redis.
                Err(error) if error.is_io_error() => self.try_to_ask(command).await,
                outcome => outcome,
            }
        };
        let outcome = tokio::time::timeout(PATIENCE, asking).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
        outcome.map_err(SessionError::unavailable)
    }

    async fn try_to_ask<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let connection = Arc::clone(&self.lock());
        let answer = command.query_async(&mut (*connection).clone()).await;
        if answer.as_ref().is_err_and(RedisError::is_timeout) {
            self.give_up(&connection);
        }
        answer
    }

    /// Lets the next try begin with a new connection.
    ///
    /// The manager mends a connection that broke, but keeps one that is silent. If the machine at its other end has vanished
    /// without a word, it stays silent until the kernel gives up, which takes a quarter of an hour.
    fn give_up(&self, silent: &Arc<ConnectionManager>) {
        let mut connection = self.lock();
        // Many calls may have waited for the same one. The first of them has replaced it already.
        if Arc::ptr_eq(&connection, silent)
            && let Ok(new) = connect_lazily(&self.client)
        {
            *connection = Arc::new(new);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<ConnectionManager>> {
        self.connection
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

fn connect_lazily(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
        .set_number_of_retries(RECONNECTS)
        .set_min_delay(PAUSE)
        .set_max_delay(PAUSE);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// Ids are hexadecimal digits, so no client can reach any other key.
fn key(id: &SessionId) -> String {
    format!("session:{}", id.as_str())
}

/// The ids of one user's sessions. A name needs no escaping, and no name makes this the key of a session.
fn index(user: &str) -> String {
    format!("sessions-of:{user}")
}

/// A script with its keys, to be followed by its arguments. The whole text goes to Redis each time: it is short, and Redis forgets
/// those that it has been taught (`EVALSHA`) when it restarts.
fn script(text: &str, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(keys.len()).arg(keys);
    command
}

// ANCHOR: scripts
/// Keeps a session and notes it in its user's index. 0 if the id is taken.
const CREATE: &str = r"
    local session, index = KEYS[1], KEYS[2]
    local id, value, seconds = ARGV[1], ARGV[2], tonumber(ARGV[3])
    -- NX: never over a session that is there. EX: Redis forgets the session by itself.
    if not redis.call('SET', session, value, 'EX', seconds, 'NX') then return 0 end
    local now = tonumber(redis.call('TIME')[1])
    -- Those whose time is over, so that the index of a user who never logs out everywhere does not grow for ever.
    redis.call('ZREMRANGEBYSCORE', index, '-inf', now - 1)
    redis.call('ZADD', index, now + seconds, id)
    -- It outlives the session that lives longest.
    if redis.call('TTL', index) < seconds + 1 then redis.call('EXPIRE', index, seconds + 1) end
    return 1
";

/// Deletes a session, and takes it out of its user's index. What lies under the key and is no session is deleted as well.
const DELETE: &str = r"
    local is_session, session = pcall(cjson.decode, redis.pcall('GET', KEYS[1]))
    if is_session and type(session) == 'table' and type(session.user) == 'string' then
        redis.call('ZREM', 'sessions-of:' .. session.user, ARGV[1])
    end
    return redis.call('DEL', KEYS[1])
";

/// Deletes all sessions in a user's index, and the index.
const END_ALL: &str = r"
    for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('DEL', 'session:' .. id) end
    return redis.call('DEL', KEYS[1])
";
// ANCHOR_END: scripts

#[async_trait]
impl SessionStore for RedisSessions {
    async fn create(&self, session: &Session) -> Result<SessionId, SessionError> {
        let value = serde_json::to_string(session).expect("a name and a time are always JSON");
        let rest = session.created_at + SESSION_TTL - Utc::now();
        for _ in 0..IDS {
            let id = SessionId::random();
            // In whole seconds, so rounded up, and Redis takes no 0; `load` knows the moment.
            let seconds = (rest.num_seconds() + 1).max(1);
            let mut command = script(CREATE, &[key(&id), index(&session.user)]);
            if self
                .ask(command.arg(id.as_str()).arg(&value).arg(seconds))
                .await?
            {
                return Ok(id);
            }
            // Taken. Most likely by ourselves: the first answer got lost together with its connection. Nobody was told that id,
            // so nobody will ever use it.
        }
        Err(SessionError::unavailable(
            "none of several random ids was free",
        ))
    }

    async fn load(&self, id: &SessionId) -> Result<Option<Session>, SessionError> {
        let value: Option<String> = self.ask(redis::cmd("GET").arg(key(id))).await?;
        let Some(value) = value else { return Ok(None) };
        // Not `None`: that somebody writes into our keys should be seen, not look like a logout. A new login helps, because it
        // deletes the key that the browser still names.
        let session: Session = serde_json::from_str(&value).map_err(|source| {
            let id = id.clone();
            SessionError::unavailable(Unreadable { id, source })
        })?;
        Ok(Some(session).filter(|session| !session.is_expired(Utc::now())))
    }

    async fn delete(&self, id: &SessionId) -> Result<(), SessionError> {
        let mut command = script(DELETE, &[key(id)]);
        let _was_there: bool = self.ask(command.arg(id.as_str())).await?;
        Ok(())
    }

    async fn end_all(&self, user: &UserName) -> Result<(), SessionError> {
        let _was_there: bool = self.ask(&script(END_ALL, &[index(user.as_str())])).await?;
        Ok(())
    }
}
