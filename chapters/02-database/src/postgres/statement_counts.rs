//! What the server itself counts: statements, rows and WAL, by the extension `pg_stat_statements`.
//!
//! A counter in the client would miss what a library sends behind its back.
//! <https://www.postgresql.org/docs/17/pgstatstatements.html>

use sqlx::postgres::PgPool;
use sqlx::{Error, Row};

/// What one database did between two points in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatementCounts {
    /// The statements. `BEGIN` and `COMMIT` are not counted.
    pub statements: i64,
    /// The rows that they returned or wrote.
    pub rows: i64,
    /// The bytes that they wrote into the write-ahead log, which every replica receives.
    pub wal_bytes: i64,
}

/// Creates the extension, and sets its counts to zero.
///
/// An error if the server was started without `shared_preload_libraries = pg_stat_statements`.
pub async fn reset_statement_counts(pool: &PgPool) -> Result<(), Error> {
    sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .execute(pool)
        .await?;
    sqlx::query("SELECT pg_stat_statements_reset()")
        .execute(pool)
        .await
        .map(drop)
}

/// The counts of this database since [`reset_statement_counts`].
pub async fn statement_counts(pool: &PgPool) -> Result<StatementCounts, Error> {
    let row = sqlx::query(
        "SELECT coalesce(sum(calls), 0)::bigint AS statements, \
         coalesce(sum(rows), 0)::bigint AS rows, coalesce(sum(wal_bytes), 0)::bigint AS wal_bytes \
         FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
         WHERE d.datname = current_database() \
         AND query !~* '^(BEGIN|COMMIT|ROLLBACK|SET|DISCARD)|pg_stat_statements'",
    )
    .fetch_one(pool)
    .await?;
    Ok(StatementCounts {
        statements: row.try_get("statements")?,
        rows: row.try_get("rows")?,
        wal_bytes: row.try_get("wal_bytes")?,
    })
}
