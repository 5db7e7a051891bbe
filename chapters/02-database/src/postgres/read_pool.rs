//! Connections that only read.
//!
//! The type offers queries that return rows, and neither `execute` nor a connection. So a function
//! that writes cannot be called with it. Its sessions are read-only too, because text can hold any
//! statement: PostgreSQL refuses a write with SQLSTATE 25006.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{Error, Execute, Executor, Postgres};

use super::pool::{InvalidUrl, connect_options, pool_options};

/// The limit for a connection to a replica. sqlx interprets "connection refused" as a starting
/// server and retries until the limit. A read can ask another server instead, so it is short.
const REPLICA_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);

/// A pool for reads, of a replica or of the primary.
///
/// A transaction runs on a pool that may write:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ch02_database::postgres::{connect, transact};
///
/// let primary = connect("postgres://workshop@127.0.0.1/store")?;
/// let sql = "UPDATE games SET price_cents = 1";
/// transact(&primary, move |db| {
///     Box::pin(async move { sqlx::query(sql).execute(db).await.map(drop) })
/// })
/// .await?;
/// # Ok(()) }
/// ```
///
/// The same call with a `ReadPool` does not compile:
///
/// ```compile_fail,E0308
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use ch02_database::postgres::{connect_replica, transact};
///
/// let replica = connect_replica("postgres://workshop@127.0.0.1/store")?;
/// let sql = "UPDATE games SET price_cents = 1";
/// transact(&replica, move |db| {
///     Box::pin(async move { sqlx::query(sql).execute(db).await.map(drop) })
/// })
/// .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ReadPool {
    pool: PgPool,
    connects: Arc<AtomicU64>,
}

/// A pool for a replica. The first use connects, so the server may be down now.
///
/// A misdirected write fails (SQLSTATE 25006) even after the replica has become a primary.
pub fn connect_replica(url: &str) -> Result<ReadPool, InvalidUrl> {
    let options = connect_options(url)?;
    let pool = pool_options(REPLICA_ACQUIRE_TIMEOUT);
    Ok(ReadPool::new(pool, options, Arc::default()))
}

impl ReadPool {
    /// New connections to the database of `pool`. They do not take the places of its writers.
    pub fn of(pool: &PgPool) -> ReadPool {
        let options = pool.connect_options();
        let pool = pool_options(pool.options().get_acquire_timeout());
        ReadPool::new(pool, (*options).clone(), Arc::default())
    }

    /// One connection to the same database for the monitor, which must get its answer also while
    /// all other connections are busy. The server ends a statement after `timeout`.
    pub(crate) fn for_checks(&self, timeout: Duration) -> ReadPool {
        let options = self.pool.connect_options();
        let limit = format!("{}ms", timeout.as_millis());
        let options = (*options).clone().options([("statement_timeout", limit)]);
        let pool = pool_options(REPLICA_ACQUIRE_TIMEOUT).max_connections(1);
        ReadPool::new(pool, options, Arc::clone(&self.connects))
    }

    fn new(pool: PgPoolOptions, options: PgConnectOptions, connects: Arc<AtomicU64>) -> Self {
        let options = options.options([("default_transaction_read_only", "on")]);
        let counter = Arc::clone(&connects);
        let pool = pool.after_connect(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        });
        let pool = pool.connect_lazy_with(options);
        ReadPool { pool, connects }
    }

    /// How many connections were made so far, the one for checks included. While the number stays
    /// the same, the server has not restarted.
    pub(crate) fn connects(&self) -> u64 {
        self.connects.load(Ordering::SeqCst)
    }

    /// All rows.
    pub async fn fetch_all<'q>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Vec<PgRow>, Error> {
        self.pool.fetch_all(query).await
    }

    /// The first row, if there is one.
    pub async fn fetch_optional<'q>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<Option<PgRow>, Error> {
        self.pool.fetch_optional(query).await
    }

    /// The first row. Without a row, the error is [`Error::RowNotFound`].
    pub async fn fetch_one<'q>(
        &self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> Result<PgRow, Error> {
        self.pool.fetch_one(query).await
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
