//! # A login that every clone knows
//!
//! Ada logs in at clone-1, which notes it in its memory. Her next click goes to clone-2: "please log in". With three clones and
//! fair turns she is known on one page in three, and after the next deploy on none. You would notice by the logins: several for
//! each visitor and day.
//!
//! So no clone remembers anything. The browser keeps an id, Redis keeps what the id stands for, and any clone can ask.
//!
//! ## What must always be true
//!
//! 1. What one clone knows, all know: a login at one is a login at all, and so is a logout.
//! 2. Nobody can guess an id, or choose one. Each login makes a new one of at least 128 random bits; the one that the browser
//!    sent along, be it old or made up, is worth nothing afterwards (*session fixation*).
//! 3. Each session ends [`TTL`] after the last visit, and Redis itself ends it, even if no clone lives to see it.
//! 4. Not to know is not "no". While Redis is away, every call is an error: the visitor is asked to come back, and not to log in.
//!
//! ## Predict
//!
//! A visitor has this page open in two tabs. In one she logs out; at the same moment the other one visits, at another clone, which
//! reads the session and then writes it back with a new time to live. Is she logged out? Find an order of the commands in which
//! she is not. Which single command closes that gap?
//!
//! ## What to do
//!
//! Write the bodies of [`Sessions::log_in`], [`Sessions::visit`] and [`Sessions::log_out`], together about 25 lines. Redis's commands
//! are sent with `redis::cmd("NAME").arg(…)` and then `query_async`, or `exec_async` if the answer does not matter:
//! <https://docs.rs/redis/latest/redis/struct.Cmd.html>. `cargo workshop check shared_session` shows how far you are; it is red now,
//! and that is right.
//!
//! Left out: cookies, passwords, and trying again when a connection broke. Chapter 1's `src/redis_sessions.rs` has the last one.

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

/// How long a session lives after its last visit: half an hour.
pub const TTL: Duration = Duration::from_mins(30);

/// How long a call waits for Redis at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// Redis does not answer, so nobody knows who is logged in. A clone says "503, come back in a moment" then.
#[derive(Debug, thiserror::Error)]
#[error("the sessions cannot be reached, and nobody knows whether this visitor is logged in: {0}")]
pub struct Unavailable(#[from] RedisError);

/// The sessions of all clones. Each clone has a value of its own, and all of them lead to the same Redis.
pub struct Sessions {
    /// All requests of this clone share it; a clone of it is the same connection. It connects when it is first needed, and again
    /// for the next call after it broke.
    redis: ConnectionManager,
}

impl Sessions {
    /// The sessions in this Redis, `redis://HOST:PORT/DATABASE`. Nothing is sent yet. To be called within a tokio runtime.
    pub fn new(url: &str) -> Result<Self, Unavailable> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            // While Redis is away, say so at once.
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Sessions { redis })
    }

    /// Logs a user in, after the password was found right, and returns the session's id for the browser's cookie.
    ///
    /// `sent` is the id that the browser sent along, if any: a session of before, or something that somebody made up.
    pub async fn log_in(&self, user: &str, sent: Option<&str>) -> Result<String, Unavailable> {
        todo!(
            "return a new random id, under which Redis keeps `user` for `TTL`, and delete what is under `sent`"
        )
    }

    /// Whose session this is, or `None` if nobody is logged in with this id. The session's time begins anew.
    pub async fn visit(&self, id: &str) -> Result<Option<String>, Unavailable> {
        todo!("return the user under this id, and let Redis keep it for another `TTL` from now on")
    }

    /// Ends the session, if there is one.
    pub async fn log_out(&self, id: &str) -> Result<(), Unavailable> {
        todo!("delete the session, and return an error only if Redis cannot be asked")
    }
}

/// The name under which Redis keeps a session. With the prefix, a visitor who sends the name of something else in Redis as an id, such as
/// `product:7`, finds nothing.
fn key(id: &str) -> String {
    format!("session:{id}")
}
