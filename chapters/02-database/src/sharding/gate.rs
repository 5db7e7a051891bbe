//! The gate of a bucket: lets writers pass, or holds them back during a cut-over.
//!
//! The gate is a PostgreSQL advisory lock in the database of the shard that owns the bucket. A
//! write holds it *shared* until its transaction ends. A move holds it *exclusively* during the
//! cut-over. PostgreSQL serves the waiters in order, so a stream of writes cannot hold up a move.
//! A move that dies loses its connection, and with it the lock.

use sqlx::Error;
use sqlx::postgres::{PgConnection, PgPool};

use super::bucket::Bucket;

/// The first of the two numbers of the advisory lock. The second is the bucket.
const GATE_LOCK: i32 = 21_320;

/// The SQL expression that enters the gate of bucket `$1` for the rest of the transaction. It is
/// false, without a wait, if a move holds the gate or waits for it.
pub(crate) fn try_enter() -> String {
    format!("pg_try_advisory_xact_lock_shared({GATE_LOCK}, $1)")
}

/// Waits until no move holds the gate. The server's `lock_timeout` limits the wait.
pub(crate) async fn wait_until_open(shard: &PgPool, bucket: Bucket) -> Result<(), Error> {
    // Outside of a transaction, the lock ends with the statement.
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1, $2)")
        .bind(GATE_LOCK)
        .bind(i32::from(bucket))
        .execute(shard)
        .await
        .map(drop)
}

/// Closes the gate for writers, after all writes that have entered. It stays closed over several
/// transactions, until [`open_gate`] or the end of the connection.
pub async fn close_gate(shard: &mut PgConnection, bucket: Bucket) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_lock($1, $2)")
        .bind(GATE_LOCK)
        .bind(i32::from(bucket))
        .execute(shard)
        .await
        .map(drop)
}

/// Opens the gate and releases all waiting writers. They find the new owner in the shard map, so
/// this must come after the map has changed.
pub async fn open_gate(shard: &mut PgConnection, bucket: Bucket) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_unlock($1, $2)")
        .bind(GATE_LOCK)
        .bind(i32::from(bucket))
        .execute(shard)
        .await
        .map(drop)
}
