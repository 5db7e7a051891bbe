//! Connections: a pool for each database, and how long anybody waits for one.
//!
//! A server can be away in two ways. One that is down refuses connections, and everybody hears it at once. One that hangs, or that
//! the network has cut off, says nothing at all, and TCP alone takes a quarter of an hour to give up. So every wait has an end
//! here, and a connection that was left in the middle of an answer has to prove itself before it is used again.
//!
//! | wait | limit |
//! |---|---|
//! | for a connection, the making of a new one included | 3 s, of a replica 1 s |
//! | for a sign of life of an idle connection | 0.5 s |
//! | for one answer, or one whole transaction | 5 s, of a replica 2 s |
//! | in the server: a statement, a lock, a transaction that its client has left | 3 s, 2 s, 10 s |
//!
//! Left out: a way to set them, and poolers such as `PgBouncer`, which do not take settings that come with the connection.

use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Error};

use super::store_error;
use crate::StoreError;

/// How long an answer may take, and a transaction from its begin to its commit.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a replica's answer may take. Less, since there is somebody else to ask.
pub(super) const REPLICA_PATIENCE: Duration = Duration::from_secs(2);

/// How long it takes at most to prove that a connection is alive, or outside of a transaction.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// How many connections one process holds to one database. Each is a process of the server's, and few that are busy do more than
/// many that take turns. The server's `max_connections` (100 by default) has to suffice for all processes together.
const CONNECTIONS: u32 = 5;

/// The text is not the address of a database.
#[derive(Debug, thiserror::Error)]
#[error(
    "not the address of a PostgreSQL database ({reason}); write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)]
pub struct InvalidUrl {
    reason: String,
}

/// A pool for a primary or a shard. Nothing is sent yet: the first use connects, and a server that is away now may be back by then.
pub fn connect(url: &str) -> Result<PgPool, InvalidUrl> {
    // The limit covers the handshake too, and a connect that it aborts begins from zero the next time (sqlx issue 3513). So it is
    // far longer than a handshake takes, or a slow server would never be reached at all.
    Ok(pool(Duration::from_secs(3)).connect_lazy_with(options(url)?))
}

/// A pool for a replica. Its transactions are read-only whatever the server is, so a write that goes astray is refused
/// (SQLSTATE 25006) even by a replica that has become a primary.
pub fn connect_replica(url: &str) -> Result<PgPool, InvalidUrl> {
    let options = options(url)?.options([("default_transaction_read_only", "on")]);
    // sqlx takes "connection refused" for a server that is starting, and tries again until its time is over. A replica's reader has
    // somebody else to ask instead.
    Ok(pool(Duration::from_secs(1)).connect_lazy_with(options))
}

/// Whether the database answers, for a health check.
pub async fn answers(pool: &PgPool) -> Result<(), StoreError> {
    let answer = within(PATIENCE, sqlx::query("SELECT 1").execute(pool)).await;
    answer.map(drop).map_err(store_error)
}

fn options(url: &str) -> Result<PgConnectOptions, InvalidUrl> {
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
        // Whoever was cut off in a transaction must not keep its locks.
        ("idle_in_transaction_session_timeout", "10s"),
    ]))
}

fn pool(acquire_timeout: Duration) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(Duration::from_mins(1))
        // sqlx's own test has no limit but the one for the whole wait, which would leave no time for a new connection.
        .test_before_acquire(false)
        .before_acquire(|connection, _| alive(connection))
        // A connection whose user was dropped in the middle of a statement comes back with the answer outstanding. sqlx waits for
        // that without a limit, and so would lose the connection's place in the pool to a server that hangs.
        .after_release(|connection, _| alive(connection))
}

/// An error makes the pool throw the connection away.
fn alive(connection: &mut PgConnection) -> BoxFuture<'_, Result<bool, Error>> {
    Box::pin(async move { within(SIGN_OF_LIFE, connection.ping()).await.map(|()| true) })
}

/// Whether the error is about the connection or the server as a whole, and not about one statement.
pub(super) fn says_the_server_is_away(error: &Error) -> bool {
    match error {
        // Classes 08 (connection), 53 (out of connections, memory, disk) and 57P (shutting down, starting up):
        // https://www.postgresql.org/docs/17/errcodes-appendix.html
        Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        Error::Io(_) | Error::PoolTimedOut | Error::Protocol(_) | Error::Tls(_) => true,
        _ => false,
    }
}

/// Puts an end to waiting. The statement may go on in the server, until that one's own limit.
pub(super) async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or_else(|_| {
            let silence = format!("no answer within {} ms", patience.as_millis());
            Err(Error::Io(io::Error::new(io::ErrorKind::TimedOut, silence)))
        })
}
