//! Transactions that a dropped caller cannot leave half done.
//!
//! axum drops a handler's future when the client disconnects. A transaction inside that future
//! would stop at any point. sqlx 0.9.0 makes it worse: if `Pool::begin` is dropped while `BEGIN` is
//! on its way, the pool gets back a connection that *is* inside a transaction, and the next caller
//! writes into a transaction that is never committed (transact-rs/sqlx issues 4385 and 4393, fixed
//! after 0.9.0).
//!
//! So a transaction runs here on its own task, in plain statements. The task continues when its
//! caller is dropped. A connection in an unknown state is closed and never returns to the pool.
//! `clippy.toml` forbids `Pool::begin` everywhere else.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgDatabaseError, PgPool, PgSeverity};
use sqlx::{AssertSqlSafe, Error, Executor};

use super::pool::{PING_TIMEOUT, QUERY_TIMEOUT, with_timeout};
use crate::model::StoreError;
use crate::replication::{ConsistencyToken, Position};

/// How long to wait for the proof that a standby has a commit that the primary has confirmed.
const STANDBY_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs `work` in a transaction. `Ok` commits; an error or a panic rolls back. The transaction runs
/// to its end even if the caller's future is dropped, and ends within nine seconds whatever the
/// server does.
///
/// If the connection is lost during `COMMIT`, the error is [`StoreError::UnknownOutcome`]. A retry
/// then needs a way to find out, such as an order's idempotency key.
pub async fn transact<T, F>(pool: &PgPool, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let committed = run_transaction(pool, TransactionOptions::default(), work).await?;
    Ok(committed.value)
}

/// Like [`transact`], with the position of the commit in the log. A read with this token sees the
/// write. Without a token the write is committed too, but its position is unknown.
pub(crate) async fn transact_with_token<T, F>(
    pool: &PgPool,
    work: F,
) -> Result<Committed<T>, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let options = TransactionOptions {
        wants_token: true,
        ..TransactionOptions::default()
    };
    Ok(run_transaction(pool, options, work).await?)
}

/// A confirmed commit.
#[derive(Debug)]
pub(crate) struct Committed<T> {
    /// The result of the work.
    pub(crate) value: T,
    /// At or after the end of the commit, if [`TransactionOptions::wants_token`].
    pub(crate) token: Option<ConsistencyToken>,
}

/// What surrounds the work of a transaction.
pub(crate) struct TransactionOptions {
    /// The first message: `BEGIN` and settings for this transaction.
    pub(crate) begin: String,
    /// The statement in front of `COMMIT`, in the same message. If it fails, nothing is committed.
    pub(crate) check: String,
    /// After `COMMIT`, a standby must have confirmed the commit in this column of
    /// `pg_stat_replication`.
    pub(crate) standby_column: Option<&'static str>,
    /// Whether the transaction stops when the pool is closed. Otherwise it runs to its end.
    pub(crate) stops_with_pool: bool,
    /// Whether to ask for the position after `COMMIT`.
    pub(crate) wants_token: bool,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        TransactionOptions {
            begin: "BEGIN".to_owned(),
            // If the work has ignored an error, COMMIT rolls back and reports success. The SELECT
            // fails then.
            check: "SELECT 1".to_owned(),
            standby_column: None,
            stops_with_pool: false,
            wants_token: false,
        }
    }
}

/// Why a transaction has no confirmed commit.
#[derive(Debug)]
pub(crate) enum TransactionError {
    /// Nothing was written.
    RolledBack(Error),
    /// `COMMIT` was sent, and its confirmation is missing. The transaction may be committed.
    Unknown(Error),
}

impl From<TransactionError> for StoreError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::RolledBack(error) => error.into(),
            TransactionError::Unknown(error) => StoreError::UnknownOutcome(error.into()),
        }
    }
}

impl TransactionError {
    /// The driver's error.
    pub(crate) fn cause(&self) -> &Error {
        match self {
            TransactionError::RolledBack(error) | TransactionError::Unknown(error) => error,
        }
    }
}

/// Like [`transact`], with options, and with an error that tells "no" from "unknown".
pub(crate) async fn run_transaction<T, F>(
    pool: &PgPool,
    options: TransactionOptions,
    work: F,
) -> Result<Committed<T>, TransactionError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let pool = pool.clone();
    let transaction = async move {
        let acquire = pool.acquire();
        let acquired = if options.stops_with_pool {
            // An acquire that connects to a dead server would not notice that the pool is closed.
            pool.close_event().do_until(acquire).await.flatten()
        } else {
            acquire.await
        };
        let mut connection = acquired.map_err(TransactionError::RolledBack)?;
        let commit_was_sent = AtomicBool::new(false);
        let commit = begin_and_commit(&mut connection, &options, &commit_was_sent, work);
        let commit = with_timeout(QUERY_TIMEOUT, commit);
        let result = if options.stops_with_pool {
            pool.close_event().do_until(commit).await.flatten()
        } else {
            commit.await
        };
        let is_committed = result.is_ok();
        let token = if is_committed && options.wants_token {
            commit_token(&mut connection).await
        } else {
            None
        };
        let is_useless = pool.is_closed()
            || !is_committed && !roll_back(&mut connection).await
            // The answer may be outstanding.
            || is_committed && options.wants_token && token.is_none();
        if is_useless {
            // Only closing the socket is sure to end; even a terminate message can wait for ever.
            // The server then rolls back.
            drop(connection.detach());
        }
        let committed = result.map(|value| Committed { value, token });
        committed.map_err(|error| {
            if commit_was_sent.load(Ordering::Relaxed) && !has_rolled_back(&error) {
                TransactionError::Unknown(error)
            } else {
                TransactionError::RolledBack(error)
            }
        })
    };
    // A task that panics or is cancelled says nothing about its transaction.
    tokio::spawn(transaction).await.unwrap_or_else(|error| {
        Err(TransactionError::Unknown(Error::Protocol(
            error.to_string(),
        )))
    })
}

async fn begin_and_commit<T>(
    connection: &mut PgConnection,
    options: &TransactionOptions,
    commit_was_sent: &AtomicBool,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>,
) -> Result<T, Error> {
    connection
        .execute(AssertSqlSafe(options.begin.clone()))
        .await?;
    let value = AssertUnwindSafe(work(&mut *connection))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            Err(Error::Protocol(
                "the code of the transaction panicked".to_owned(),
            ))
        })?;
    let commit = format!("{}; COMMIT", options.check);
    commit_was_sent.store(true, Ordering::Relaxed);
    connection.execute(AssertSqlSafe(commit)).await?;
    if let Some(column) = options.standby_column {
        with_timeout(STANDBY_TIMEOUT, wait_for_standby(connection, column)).await?;
    }
    Ok(value)
}

// ANCHOR: commit_token
/// The position of the connection's last commit. The commit is confirmed, so a failure here must
/// not become an error of the write: the write has no token then.
async fn commit_token(connection: &mut PgConnection) -> Option<ConsistencyToken> {
    let row = sqlx::query(Position::QUERY).fetch_one(connection);
    let position = with_timeout(PING_TIMEOUT, row).await;
    match position.and_then(|row| Position::from_row(&row)) {
        Ok(position) => Some(position.complete),
        Err(error) => {
            tracing::warn!(%error, "the position of a commit is unknown");
            None
        }
    }
}
// ANCHOR_END: commit_token

// ANCHOR: wait_for_standby
/// Returns when a standby has the last commit of this connection.
///
/// Usually it has, because `COMMIT` has waited for it. But the wait can be cancelled, and then
/// PostgreSQL reports a successful `COMMIT` with a warning, which sqlx only logs. The wait also
/// does not happen while `synchronous_standby_names` is empty. So an acknowledgement needs the
/// positive proof, not only the absence of an error.
async fn wait_for_standby(
    connection: &mut PgConnection,
    column: &'static str,
) -> Result<(), Error> {
    // At or after the end of our commit, which is on the primary's disk.
    let sql = "SELECT pg_current_wal_flush_lsn()::text";
    let lsn: String = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_replication \
         WHERE sync_state IN ('sync', 'quorum') AND {column} >= $1::pg_lsn)"
    );
    let mut pause = Duration::from_micros(500);
    loop {
        let query = sqlx::query_scalar(AssertSqlSafe(sql.clone())).bind(&lsn);
        if query.fetch_one(&mut *connection).await? {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
// ANCHOR_END: wait_for_standby

/// Whether this answer to `COMMIT` means that nothing was written. An error of the severity ERROR
/// does; FATAL ends the connection, also that of a commit which waits for its standby.
fn has_rolled_back(error: &Error) -> bool {
    let Error::Database(error) = error else {
        return false;
    };
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Error))
}

/// Ends a failed transaction. Returns whether the connection is now outside of any transaction.
async fn roll_back(connection: &mut PgConnection) -> bool {
    // ROLLBACK without a transaction is a warning, not an error.
    with_timeout(PING_TIMEOUT, connection.execute("ROLLBACK"))
        .await
        .is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::postgres::connect;

    #[tokio::test]
    async fn closed_pool_ends_a_connect_at_once() {
        // A server that accepts connections and answers nothing.
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let pool = connect(&format!("postgres://workshop@{address}/workshop")).unwrap();
        let options = TransactionOptions {
            stops_with_pool: true,
            ..TransactionOptions::default()
        };
        let write = run_transaction(&pool, options, |_| Box::pin(async { Ok(()) }));
        let close = async {
            let accepted = server.accept().await.unwrap();
            pool.close().await;
            accepted
        };
        let (result, _accepted) = tokio::join!(write, close);
        // A time-out would come after seconds.
        assert!(
            matches!(result, Err(TransactionError::RolledBack(Error::PoolClosed))),
            "{result:?}"
        );
    }
}
