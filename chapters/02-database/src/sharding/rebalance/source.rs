//! The mover's connection to the shard that a bucket leaves.
//!
//! It holds the lock of the bucket's mover, the gate, and the transaction of the decision. If it is
//! lost, the server releases all three.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::Instant;

use super::super::bucket::Bucket;
use super::super::gate::{close_gate, open_gate};
use super::super::shard_map::Epoch;
use super::bucket_move::Move;
use super::error::MoveError;
use super::limits::MoveLimits;
use super::record::MoveStep;
use crate::postgres::dedicated_connection;

/// The first of the two numbers of the advisory lock of a bucket's mover. The second is the bucket.
const MOVER_LOCK: i32 = 21_321;

/// How long a new mover waits for the lock. The server needs a moment to notice that a killed
/// mover's connection is closed.
const MOVER_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Source {
    pub(super) db: PgConnection,
    gate_closed: Option<Instant>,
}

impl Source {
    /// Connects, and takes the lock of the bucket's mover.
    pub(super) async fn lock(
        shard: &PgPool,
        bucket: Bucket,
        limits: &MoveLimits,
    ) -> Result<Source, MoveError> {
        let mut db = dedicated_connection(shard).await?;
        set_lock_timeout(&mut db, MOVER_LOCK_TIMEOUT).await?;
        // A mover that hangs in the cut-over loses its connection, and the writers continue.
        db.execute("SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '5s'")
            .await?;
        let lock = sqlx::query("SELECT pg_advisory_lock($1, $2)")
            .bind(MOVER_LOCK)
            .bind(i32::from(bucket));
        match lock.execute(&mut db).await.map_err(MoveError::from) {
            Ok(_) => {}
            Err(error) if error.is_lock_timeout() => return Err(MoveError::Busy(bucket)),
            Err(error) => return Err(error),
        }
        set_lock_timeout(&mut db, limits.lock_timeout).await?;
        Ok(Source {
            db,
            gate_closed: None,
        })
    }

    /// Switches the recording of changes on, and writes the first record of the move.
    pub(super) async fn begin_move(&mut self, bucket_move: &Move<'_>) -> Result<(), MoveError> {
        let bucket = i32::from(bucket_move.bucket);
        let mut attempts = 1;
        let mut transaction = loop {
            let mut transaction = self.db.begin().await?;
            match lock_bucket(&mut transaction, bucket_move).await {
                Ok(_) => break transaction,
                Err(error) if error.is_lock_timeout() => {}
                Err(error) => return Err(error),
            }
            transaction.rollback().await?;
            bucket_move.pause_after_attempt(&mut attempts).await?;
        };
        sqlx::query("UPDATE buckets SET is_recorded = true WHERE bucket = $1")
            .bind(bucket)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM order_changes WHERE bucket = $1")
            .bind(bucket)
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO bucket_moves (bucket, to_shard, epoch, step) VALUES ($1, $2, $3, $4)",
        )
        .bind(bucket)
        .bind(bucket_move.to as i32)
        .bind(bucket_move.epoch)
        .bind(MoveStep::Copying.name())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Records that a step begins.
    pub(super) async fn set_step(
        &mut self,
        bucket: Bucket,
        step: MoveStep,
    ) -> Result<(), MoveError> {
        set_step(&mut self.db, bucket, step).await
    }

    /// Holds the writers of the bucket back, after those that are writing now.
    pub(super) async fn close_gate(&mut self, bucket: Bucket) -> Result<(), MoveError> {
        let start = Instant::now();
        close_gate(&mut self.db, bucket).await?;
        self.gate_closed = Some(start);
        Ok(())
    }

    /// Lets the writers continue, if the gate is closed. Returns how long they were held back.
    pub(super) async fn open_gate(&mut self, bucket: Bucket) -> Result<Duration, MoveError> {
        let Some(start) = self.gate_closed.take() else {
            return Ok(Duration::ZERO);
        };
        open_gate(&mut self.db, bucket).await?;
        Ok(start.elapsed())
    }
}

/// Locks the row of the bucket and returns its next sequence number. Waits for all transactions
/// that have written to the bucket, and later ones wait until this transaction ends.
pub(super) async fn lock_bucket(
    transaction: &mut PgConnection,
    bucket_move: &Move<'_>,
) -> Result<i64, MoveError> {
    let next = sqlx::query_scalar(
        "SELECT next FROM buckets WHERE bucket = $1 AND state = 'active' AND epoch = $2 FOR UPDATE",
    )
    .bind(i32::from(bucket_move.bucket))
    .bind(bucket_move.old_epoch)
    .fetch_optional(transaction)
    .await?;
    next.ok_or(MoveError::NotOwned {
        bucket: bucket_move.bucket,
        shard: bucket_move.from,
    })
}

pub(super) async fn set_step(
    db: &mut PgConnection,
    bucket: Bucket,
    step: MoveStep,
) -> Result<(), MoveError> {
    sqlx::query("UPDATE bucket_moves SET step = $2 WHERE bucket = $1")
        .bind(i32::from(bucket))
        .bind(step.name())
        .execute(db)
        .await?;
    Ok(())
}

/// The epoch of a bucket that a shard has, with its state.
pub(super) async fn bucket_state(
    shard: &PgPool,
    bucket: Bucket,
) -> Result<Option<(String, Epoch)>, MoveError> {
    let query = sqlx::query_as("SELECT state, epoch FROM buckets WHERE bucket = $1");
    Ok(query.bind(i32::from(bucket)).fetch_optional(shard).await?)
}

async fn set_lock_timeout(db: &mut PgConnection, timeout: Duration) -> Result<(), MoveError> {
    let sql = format!("SET lock_timeout = {}", timeout.as_millis());
    db.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}
