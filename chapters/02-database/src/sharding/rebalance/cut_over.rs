//! The cut-over: the writers of the bucket wait, and the old shard gives the bucket away.

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveReport};
use super::catch_up::{apply_changes, catch_up};
use super::digest::Digest;
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::MoveStep;
use super::source::{Source, lock_bucket, set_step};
use crate::postgres::transact;

/// Blocks the bucket and decides. If a long transaction does not end, lets the writers continue
/// and tries again later. The gate stays closed after success.
pub(super) async fn cut_over(
    source: &mut Source,
    bucket_move: &Move<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let bucket = bucket_move.bucket;
    let mut attempts = 1;
    loop {
        match block_and_decide(source, bucket_move, report).await {
            Err(error) if error.is_lock_timeout() => {}
            result => return result,
        }
        source.open_gate(bucket).await?;
        report.failed_blocks += 1;
        bucket_move.pause_after_attempt(&mut attempts).await?;
        // The writers have continued, so the distance may have grown again.
        catch_up(source, bucket_move, report).await?;
    }
}

async fn block_and_decide(
    source: &mut Source,
    bucket_move: &Move<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    source.close_gate(bucket_move.bucket).await?;
    fail_point(bucket_move.bucket, "blocked")?;
    let decision = decide(&mut source.db, bucket_move, report);
    tokio::time::timeout(bucket_move.limits.block, decision)
        .await
        .map_err(|_| MoveError::SlowCutOver(bucket_move.bucket))??;
    fail_point(bucket_move.bucket, "decided")
}

// ANCHOR: decide
/// Everything until `commit` can be undone: the old shard owns the bucket. After `commit`, the new
/// shard owns it, and has all of its orders on disk.
async fn decide(
    source: &mut PgConnection,
    bucket_move: &Move<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let bucket = bucket_move.bucket;
    let mut transaction = source.begin().await?;
    // Also waits for writers that have not passed the gate.
    let next = lock_bucket(&mut transaction, bucket_move).await?;
    loop {
        match apply_changes(&mut transaction, bucket_move).await? {
            0 => break,
            applied => report.changes += applied as u64,
        }
    }
    set_next(bucket_move, next).await?;
    fail_point(bucket, "applied")?;

    let (on_source, on_target) = tokio::try_join!(
        Digest::read(&mut *transaction, bucket),
        Digest::read(bucket_move.target, bucket)
    )?;
    if on_source != on_target {
        return Err(MoveError::Different {
            bucket,
            source_digest: on_source.to_string(),
            target_digest: on_target.to_string(),
        });
    }
    fail_point(bucket, "compared")?;

    sqlx::query(
        "UPDATE buckets SET state = 'moved', epoch = $2, is_recorded = false WHERE bucket = $1",
    )
    .bind(i32::from(bucket))
    .bind(bucket_move.epoch)
    .execute(&mut *transaction)
    .await?;
    set_step(&mut transaction, bucket, MoveStep::CutOver).await?;
    transaction.commit().await?;
    Ok(())
}
// ANCHOR_END: decide

/// The new shard continues the sequence of the bucket.
async fn set_next(bucket_move: &Move<'_>, next: i64) -> Result<(), MoveError> {
    let (bucket, epoch) = (i32::from(bucket_move.bucket), bucket_move.epoch);
    let set = transact(bucket_move.target, move |db| {
        let update = "UPDATE buckets SET next = $3 \
             WHERE bucket = $1 AND state = 'incoming' AND epoch = $2";
        let update = sqlx::query(update).bind(bucket).bind(epoch).bind(next);
        Box::pin(async move { update.execute(db).await.map(drop) })
    });
    Ok(set.await?)
}
