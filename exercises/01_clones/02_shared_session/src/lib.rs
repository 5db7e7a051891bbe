//! # Sessions that all clones share
//!
//! Ada logs in at clone-1, and clone-1 keeps her session in its memory. Her next request goes to
//! clone-2, which asks her to log in. With three clones and round robin, only one request in three
//! finds her session, and the next deploy deletes all sessions. In the statistics you see several
//! logins per user and day.
//!
//! So no clone keeps sessions in its memory. The browser keeps an id in a cookie, Redis keeps the
//! session of that id, and every clone can read it.
//!
//! ## Rules
//!
//! 1. All clones see the same sessions. A login at one clone is valid at all clones, and so is a
//!    logout. It ends this one session; the same user may have others. An unknown id is not logged
//!    in, and a logout with it is no error.
//! 2. An attacker can neither guess nor choose an id. Each login creates a new id of at least 128
//!    random bits. After a login, the id that the browser sent with it is not valid, whether it was
//!    made up or led to a session of any user (this prevents *session fixation*).
//! 3. Each session ends [`TTL`] after its last use. Redis deletes it, even if no clone is running,
//!    and even if a clone has crashed between two commands.
//! 4. "Redis does not respond" is not "not logged in". While Redis is down, every call returns an
//!    error. The user is asked to try again later, not to log in.
//! 5. A logout is final. A `load` at another clone that runs at the same time does not bring the
//!    session back.
//! 6. An id leads only to a session. Redis has other keys too, such as `product:7`. A client that
//!    sends such a name as its id can neither read nor delete that key.
//! 7. All calls of a clone share one connection. Connecting for each call would take longer than
//!    the command itself.
//!
//! ## Predict
//!
//! A user has this page open in two tabs. In the first tab she logs out. At the same moment the
//! second tab sends a request to another clone. That clone reads the session and then writes it
//! back with a new time to live. Is she logged out? Find an order of the commands in which she is
//! not. Which single command prevents this?
//!
//! ## What to do
//!
//! Write the bodies of [`RedisSessions::log_in`], [`RedisSessions::load`] and
//! [`RedisSessions::log_out`]: about 25 lines together. This sends a command and reads its reply:
//!
//! ```text
//! let visits: Option<u64> = redis::cmd("GET")
//!     .arg("visits")
//!     .query_async(&mut self.redis.clone())
//!     .await?;
//! ```
//!
//! `clone` copies a handle, and all handles use the same connection. The type on the left says how
//! to read the reply; `None` is Redis's "nil", which means that there is no such key. Use
//! `exec_async` instead of `query_async` if you do not need the reply. `rand::random::<u128>()` is
//! 128 random bits. The book's page shows more. `cargo workshop check shared_session` runs the
//! tests. They fail now; that is expected.
//!
//! Left out: cookies, passwords, a value that is not a user's name, and retries when the connection
//! breaks. Chapter 1 has the retries, in its own `RedisSessions`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError};

/// How long a session lives after its last use: half an hour.
pub const TTL: Duration = Duration::from_mins(30);

/// How long a call waits for Redis at most: to connect, and for a reply.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);

/// Redis does not respond, so the clone cannot know who is logged in. The clone responds with
/// HTTP status 503.
#[derive(Debug, thiserror::Error)]
#[error("Redis does not respond, so it is unknown whether this user is logged in: {0}")]
pub struct SessionsUnavailable(#[from] RedisError);

/// The sessions of all clones. Each clone has its own value, and all values use the same Redis.
pub struct RedisSessions {
    /// All requests of this clone share this connection; cloning the value is cheap. It connects
    /// at the first command, and again at the next command after it broke.
    redis: ConnectionManager,
}

impl RedisSessions {
    /// The sessions in the Redis at `url`: `redis://HOST:PORT/DATABASE`. Nothing is sent yet. Call
    /// this within a tokio runtime.
    pub fn new(url: &str) -> Result<Self, SessionsUnavailable> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(REDIS_TIMEOUT))
            .set_response_timeout(Some(REDIS_TIMEOUT))
            // While Redis is down, return an error at once.
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(RedisSessions { redis })
    }

    /// Logs `user` in, whose password has been checked, and returns the new session's id for the
    /// browser's cookie.
    ///
    /// `cookie_id` is the id that the browser sent with the login, if any: the id of an earlier
    /// session, or one that an attacker made up.
    pub async fn log_in(
        &self,
        user: &str,
        cookie_id: Option<&str>,
    ) -> Result<String, SessionsUnavailable> {
        todo!(
            "store `user` in Redis for `TTL` under a new random id, delete the session of \
             `cookie_id`, and return the new id"
        )
    }

    /// The user of this session, or `None` if there is no session with this id. The session lives
    /// for another [`TTL`] from now on.
    pub async fn load(&self, id: &str) -> Result<Option<String>, SessionsUnavailable> {
        todo!("return the user of this id, and renew the session's time to live to `TTL`")
    }

    /// Ends the session, if there is one.
    pub async fn log_out(&self, id: &str) -> Result<(), SessionsUnavailable> {
        todo!("delete the session, and return an error only if Redis does not respond")
    }
}

/// The Redis key of a session. The prefix keeps a client from reading other keys, such as
/// `product:7`, by sending their names as an id.
fn key(id: &str) -> String {
    format!("session:{id}")
}
