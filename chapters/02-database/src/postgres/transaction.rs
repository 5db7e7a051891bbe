//! A write that nobody can leave half done.
//!
//! axum drops a handler's future when its client hangs up, and a transaction inside that future would stop wherever it was. With sqlx
//! 0.9.0 it is worse: `Pool::begin` that is dropped while `BEGIN` is on its way gives a connection back to the pool that *is* inside
//! a transaction, and the next user writes into a transaction that nobody commits (transact-rs/sqlx issues 4385 and 4393, mended
//! after 0.9.0). So a transaction runs on a task of its own here, which is not dropped with its caller, and in plain statements. A
//! connection whose state is unknown is closed, never given back. `clippy.toml` forbids `Pool::begin` everywhere else.
//!
//! Left out: trying again after a deadlock or a serialisation failure (SQLSTATE 40P01, 40001). At the default isolation level, and with
//! locks taken in one order everywhere, the transactions of this chapter have neither.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Error, Executor};

use super::pool::{PATIENCE, SIGN_OF_LIFE, within};
use super::store_error;
use crate::StoreError;

/// Runs `work` in a transaction that commits if it returns `Ok` and is rolled back otherwise, by an error or a panic. Once
/// called, it runs to its end even if the caller's future is dropped; that end comes within nine seconds, whatever the server does.
///
/// [`StoreError::Unavailable`] does not always mean that nothing was written: when the connection is lost during `COMMIT`, nobody
/// on this side can know. Whoever tries again needs a way to tell, such as an order's idempotency key.
pub async fn transact<T, F>(pool: &PgPool, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>> + Send + 'static,
{
    let pool = pool.clone();
    let transaction = async move {
        let mut connection = pool.acquire().await?;
        let outcome = within(PATIENCE, begin_and_commit(&mut connection, work)).await;
        if outcome.is_err() && !roll_back(&mut connection).await {
            // Closing the socket is all that is sure to end: even a goodbye can wait for ever. The server rolls back.
            drop(connection.detach());
        }
        outcome
    };
    match tokio::spawn(transaction).await {
        Ok(outcome) => outcome.map_err(store_error),
        Err(cancelled) => Err(StoreError::unavailable(cancelled)),
    }
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
                "the transaction's code panicked".to_owned(),
            ))
        })?;
    // COMMIT after an error that `work` has kept to itself rolls back, and reports success. The SELECT reports that error.
    connection.execute("SELECT 1; COMMIT").await?;
    Ok(value)
}

/// Ends what is left of a failed transaction. Returns whether the connection is outside of any transaction now.
async fn roll_back(connection: &mut PgConnection) -> bool {
    // Where there is nothing left to roll back this is a warning, not an error.
    within(SIGN_OF_LIFE, connection.execute("ROLLBACK"))
        .await
        .is_ok()
}
