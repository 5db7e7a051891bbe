//! The cut-over: the writers of the bucket wait, and the old shard gives the bucket away.

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveReport};
use super::catch_up::{apply_changes, catch_up};
use super::compare::compare;
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::{MoveStep, find_move};
use super::source::{Source, lock_bucket, set_step};
use super::target::TargetCopy;

/// Blocks the bucket and decides. If a long transaction does not end, or a shard is slow, lets the
/// writers continue and tries again later. The gate stays closed after success.
pub(super) async fn cut_over<'m>(
    source: &mut Source,
    bucket_move: &Move<'m>,
    copy: &mut TargetCopy<'m>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let bucket = bucket_move.bucket;
    let mut attempts = 1;
    loop {
        // Customers have ordered during the comparison of all orders, or since the last block.
        catch_up(source, bucket_move, copy, report).await?;
        compare(&mut source.db, copy, bucket_move.limits.batch).await?;
        match block_and_decide(source, bucket_move, copy, report).await {
            Err(error) if error.is_lock_timeout() => source.open_gate(bucket).await?,
            Err(slow @ MoveError::SlowCutOver(_)) => {
                // The commit may have been on its way.
                let record = find_move(&mut source.db, bucket).await?;
                let is_decided = record.is_none_or(|record| record.step >= MoveStep::CutOver);
                if is_decided || attempts >= bucket_move.limits.lock_attempts {
                    return Err(slow);
                }
                let blocked = source.open_gate(bucket).await?;
                // A statement of this attempt may still be on its way to the new shard.
                *copy = TargetCopy::claim(bucket_move).await?;
                blocked
            }
            result => return result,
        };
        report.failed_blocks += 1;
        bucket_move.pause_after_attempt(&mut attempts).await?;
    }
}

async fn block_and_decide(
    source: &mut Source,
    bucket_move: &Move<'_>,
    copy: &mut TargetCopy<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    source.close_gate(bucket_move.bucket).await?;
    fail_point(bucket_move.bucket, "blocked")?;
    let decision = decide(&mut source.db, bucket_move, copy, report);
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
    copy: &mut TargetCopy<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let bucket = bucket_move.bucket;
    let mut transaction = source.begin().await?;
    // Also waits for writers that have not passed the gate.
    let next = lock_bucket(&mut transaction, bucket_move).await?;
    loop {
        match apply_changes(&mut transaction, bucket_move, copy).await? {
            0 => break,
            applied => report.changes += applied as u64,
        }
    }
    copy.set_next(next).await?;
    fail_point(bucket, "applied")?;

    report.checked_in_block += compare(&mut transaction, copy, bucket_move.limits.batch).await?;
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
