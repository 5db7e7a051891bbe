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

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Error, Executor};

use super::pool::{PING_TIMEOUT, QUERY_TIMEOUT, with_timeout};
use crate::model::StoreError;

/// Runs `work` in a transaction. `Ok` commits; an error or a panic rolls back. The transaction runs
/// to its end even if the caller's future is dropped, and ends within nine seconds whatever the
/// server does.
///
/// [`StoreError::Unavailable`] does not always mean that nothing was written: if the connection is
/// lost during `COMMIT`, the outcome is unknown. A retry needs a way to find out, such as an
/// order's idempotency key.
pub async fn transact<T, F>(pool: &PgPool, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let pool = pool.clone();
    let transaction = async move {
        let mut connection = pool.acquire().await?;
        let result = with_timeout(QUERY_TIMEOUT, begin_and_commit(&mut connection, work)).await;
        if result.is_err() && !roll_back(&mut connection).await {
            // Only closing the socket is sure to end; even a terminate message can wait for ever.
            // The server then rolls back.
            drop(connection.detach());
        }
        result
    };
    let result = tokio::spawn(transaction)
        .await
        .map_err(StoreError::unavailable)?;
    Ok(result?)
}

async fn begin_and_commit<T>(
    connection: &mut PgConnection,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>,
) -> Result<T, Error> {
    connection.execute("BEGIN").await?;
    let value = AssertUnwindSafe(work(&mut *connection))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            Err(Error::Protocol(
                "the code of the transaction panicked".to_owned(),
            ))
        })?;
    // If `work` has ignored an error, COMMIT rolls back and reports success. The SELECT fails then.
    connection.execute("SELECT 1; COMMIT").await?;
    Ok(value)
}

/// Ends a failed transaction. Returns whether the connection is now outside of any transaction.
async fn roll_back(connection: &mut PgConnection) -> bool {
    // ROLLBACK without a transaction is a warning, not an error.
    with_timeout(PING_TIMEOUT, connection.execute("ROLLBACK"))
        .await
        .is_ok()
}
