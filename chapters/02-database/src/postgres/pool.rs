//! Connections: a pool for each database, and a limit for every wait.
//!
//! A server can fail in two ways. A stopped server refuses connections, and the client knows
//! immediately. A server that hangs, or that the network has cut off, sends nothing; TCP alone
//! needs a quarter of an hour to report that. So every wait has a limit here. A connection that was
//! left in the middle of an answer must pass a ping before its next use.
//!
//! | wait | limit |
//! |---|---|
//! | for a connection, including the handshake of a new one | 3 s; replica: 1 s |
//! | for the ping of an idle connection | 0.5 s |
//! | for one query or one whole transaction | 5 s; replica: 2 s |
//! | in the server: a statement, a lock, an idle transaction | 3 s, 2 s, 10 s |

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Error, Executor};

use crate::model::StoreError;

/// The limit for one query, and for a transaction from `BEGIN` to `COMMIT`.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit for one query on a replica. It is shorter, because another server can answer.
pub(crate) const REPLICA_QUERY_TIMEOUT: Duration = Duration::from_secs(2);

/// The limit for the proof that a connection is alive, or outside of a transaction.
pub(super) const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// The connections of one pool. Each needs a process on the server, and a few busy connections do
/// more than many that compete. A process has one pool for each shard and replica, and two for the
/// primary: one for writes and one for reads. The monitor has one more connection to each server.
/// The server's `max_connections` (100 by default) must be enough for all processes together.
const MAX_CONNECTIONS: u32 = 5;

/// The text is not the address of a PostgreSQL database.
#[derive(Debug, thiserror::Error)]
#[error(
    "not the address of a PostgreSQL database ({reason}); \
     write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)]
pub struct InvalidUrl {
    reason: String,
}

/// A pool for a primary or a shard. The first use connects, so the server may be down now.
pub fn connect(url: &str) -> Result<PgPool, InvalidUrl> {
    // The limit includes the handshake, and an aborted handshake starts again from zero (sqlx issue
    // 3513). So it is much longer than a handshake takes, or a slow server is never reached.
    Ok(pool_options(Duration::from_secs(3)).connect_lazy_with(connect_options(url)?))
}

/// Checks that the database answers; for health checks.
pub async fn ping(pool: &PgPool) -> Result<(), StoreError> {
    with_timeout(QUERY_TIMEOUT, sqlx::query("SELECT 1").execute(pool)).await?;
    Ok(())
}

/// A connection outside of the pool and without the server's time limits, because a migration or a
/// seeding takes as long as it needs. It does not detect a silent network. Dropping it ends its
/// transaction and releases its locks.
pub(crate) async fn dedicated_connection(pool: &PgPool) -> Result<PgConnection, Error> {
    let mut connection = pool.acquire().await?.detach();
    connection
        .execute(
            "SET statement_timeout = 0; SET lock_timeout = 0; \
             SET idle_in_transaction_session_timeout = 0",
        )
        .await?;
    Ok(connection)
}

pub(super) fn connect_options(url: &str) -> Result<PgConnectOptions, InvalidUrl> {
    let options = PgConnectOptions::from_str(url).map_err(|error| InvalidUrl {
        reason: error.to_string(),
    })?;
    let name = options
        .get_application_name()
        .unwrap_or("game-store")
        .to_owned();
    Ok(options.application_name(&name).options([
        ("statement_timeout", "3s"),
        ("lock_timeout", "2s"),
        // A client that the network has cut off must not keep its locks.
        ("idle_in_transaction_session_timeout", "10s"),
    ]))
}

pub(super) fn pool_options(acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(Duration::from_mins(1))
        // sqlx's own check may use the whole acquire time-out, which leaves no time for a new
        // connection.
        .test_before_acquire(false)
        .before_acquire(|connection, _| check_alive(connection))
        // A caller that was dropped in the middle of a statement returns its connection with the
        // answer outstanding. sqlx waits for the answer without a limit. If the server hangs, the
        // pool would lose the place of this connection.
        .after_release(|connection, _| check_alive(connection))
}

/// An error makes the pool close the connection.
fn check_alive(connection: &mut PgConnection) -> BoxFuture<'_, Result<bool, Error>> {
    Box::pin(async move {
        with_timeout(PING_TIMEOUT, connection.ping()).await?;
        Ok(true)
    })
}

/// Whether the error concerns the connection or the whole server, and not one statement.
pub(crate) fn is_server_unavailable(error: &Error) -> bool {
    match error {
        // Classes 08 (connection), 53 (out of connections, memory, disk) and 57P (shutting down,
        // starting up): https://www.postgresql.org/docs/17/errcodes-appendix.html
        Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        Error::Io(_) | Error::PoolTimedOut | Error::Protocol(_) | Error::Tls(_) => true,
        _ => false,
    }
}

/// Limits a wait on the client's side. The server may continue the statement until its own limit.
pub(crate) async fn with_timeout<T>(
    timeout: Duration,
    query: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(timeout, query)
        .await
        .unwrap_or_else(|_| {
            let message = format!("no answer within {} ms", timeout.as_millis());
            Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, message)))
        })
}
