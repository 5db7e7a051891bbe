//! One connection to Redis that all tasks of a process share.
//!
//! redis-rs sends the commands of all tasks over one connection, one after the other without
//! waiting for replies (pipelining), so no pool is needed. [`RedisConnection`] adds three things:
//! it connects when the first command needs it, it limits the time of every command, and it
//! replaces a connection that no longer replies.
//!
//! Left out: TLS, Redis Cluster, Sentinel.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult};

/// The time limits of a [`RedisConnection`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For one attempt to connect, with the greeting.
    pub connect_timeout: Duration,
    /// From sending a command to its reply.
    pub response_timeout: Duration,
    /// How often a failed attempt to connect is repeated. All waiting commands wait longer then.
    pub reconnect_retries: usize,
    /// The pause before each repeated attempt.
    pub reconnect_delay: Duration,
}

impl Limits {
    /// The same limit for connecting and for a reply, without repeated attempts to connect.
    pub fn new(timeout: Duration) -> Self {
        Limits {
            connect_timeout: timeout,
            response_timeout: timeout,
            reconnect_retries: 0,
            reconnect_delay: Duration::ZERO,
        }
    }
}

/// A connection to Redis that all tasks share.
pub struct RedisConnection {
    client: Client,
    limits: Limits,
    current: Mutex<Arc<ConnectionManager>>,
}

impl RedisConnection {
    /// A connection to the Redis at `url`: `redis://HOST:PORT` or `redis://HOST:PORT/DATABASE`.
    ///
    /// It connects with the first command, so Redis may start later. An error means that the URL is
    /// not valid.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use redis_connection::{Limits, RedisConnection};
    ///
    /// # async fn example() -> redis::RedisResult<()> {
    /// let limits = Limits::new(Duration::from_millis(500));
    /// let redis = RedisConnection::new("redis://127.0.0.1:6379", limits)?;
    /// let name: Option<String> = redis.query(redis::cmd("GET").arg("name")).await?;
    /// # Ok(()) }
    /// ```
    pub fn new(url: &str, limits: Limits) -> RedisResult<Self> {
        // With Nagle's algorithm the kernel holds a small command back until the one before it is
        // acknowledged.
        let settings = TcpSettings::default().set_nodelay(true);
        let client = Client::open(url.into_connection_info()?.set_tcp_settings(settings))?;
        let current = connect_lazily(&client, limits)?;
        Ok(RedisConnection {
            client,
            limits,
            current: Mutex::new(Arc::new(current)),
        })
    }

    /// Sends a command and waits for its reply.
    ///
    /// While Redis is away, this fails at once if the address refuses connections, and within the
    /// time limits otherwise. A command that has to connect first may wait for both limits.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        let connection = Arc::clone(&self.current.lock());
        let reply = command.query_async(&mut (*connection).clone()).await;
        if reply.as_ref().is_err_and(RedisError::is_timeout) {
            self.replace(&connection);
        }
        reply
    }

    /// Makes the next command use a new connection.
    ///
    /// The manager reconnects after an error, but keeps a connection that only stays silent. If the
    /// other machine has vanished, the kernel reports that after about a quarter of an hour.
    fn replace(&self, silent: &Arc<ConnectionManager>) {
        let mut current = self.current.lock();
        // Many commands may have waited for the same connection. The first of them replaces it;
        // the others must not replace its successor.
        if Arc::ptr_eq(&current, silent)
            && let Ok(new) = connect_lazily(&self.client, self.limits)
        {
            *current = Arc::new(new);
        }
    }
}

fn connect_lazily(client: &Client, limits: Limits) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(limits.connect_timeout))
        .set_response_timeout(Some(limits.response_timeout))
        .set_number_of_retries(limits.reconnect_retries)
        .set_min_delay(limits.reconnect_delay)
        .set_max_delay(limits.reconnect_delay);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silent_connection_is_replaced_once() {
        let limits = Limits::new(Duration::from_secs(1));
        let redis = RedisConnection::new("redis://127.0.0.1:6379", limits).unwrap();
        let silent = Arc::clone(&redis.current.lock());
        redis.replace(&silent);
        let successor = Arc::clone(&redis.current.lock());
        assert!(
            !Arc::ptr_eq(&silent, &successor),
            "a time-out must replace the connection"
        );

        redis.replace(&silent);
        let current = Arc::clone(&redis.current.lock());
        assert!(
            Arc::ptr_eq(&successor, &current),
            "a late time-out of the old connection must not replace the new one"
        );
    }
}
