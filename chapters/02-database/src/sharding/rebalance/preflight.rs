//! The check before a move.

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::shard_map::{Owner, ShardId};
use super::bucket_move::Move;
use super::error::MoveError;
use super::record::{MoveStep, find_move};
use super::source::{Source, bucket_state};
use super::store::Store;
use super::target::remove_copy;

/// Locks the bucket for this mover, and checks everything that could stop the move later.
pub(super) async fn prepare(
    store: &Store,
    bucket: Bucket,
    to: ShardId,
) -> Result<(Source, Move<'_>), MoveError> {
    let from = store.map().await?.owner(bucket);
    let target = store.shard(to)?;
    if from == to {
        return Err(MoveError::AlreadyThere { bucket, shard: to });
    }
    check_tables(store.shard(from)?, from).await?;
    check_tables(target, to).await?;
    let mut source = store.lock(from, bucket).await?;
    let continued = match find_move(&mut source.db, bucket).await? {
        None => None,
        Some(record) if record.to == to && record.step < MoveStep::CutOver => Some(record.epoch),
        Some(_) => return Err(MoveError::Unsettled(bucket)),
    };
    // The owner may have changed before the lock was granted.
    let map = store.map().await?;
    let Owner { shard, epoch } = map.entry(bucket);
    let state = bucket_state(store.shard(from)?, bucket).await?;
    if shard != from || state != Some(("active".to_owned(), epoch)) {
        return Err(MoveError::NotOwned { bucket, shard });
    }
    match bucket_state(target, bucket).await? {
        None => {}
        Some((state, epoch)) if state == "incoming" && continued == Some(epoch) => {}
        // Only the mover of the owning shard writes such a row, and this is its only mover. So the
        // row belongs to a move that was killed.
        Some((state, epoch)) if state == "incoming" && continued.is_none() => {
            remove_copy(target, bucket, epoch, store.limits.batch).await?;
        }
        Some(_) => return Err(MoveError::TargetHasBucket { bucket, shard: to }),
    }
    let bucket_move = Move {
        bucket,
        from,
        to,
        target,
        old_epoch: epoch,
        epoch: continued.unwrap_or(map.epoch() + 1),
        limits: &store.limits,
        is_continued: continued.is_some(),
    };
    Ok((source, bucket_move))
}

async fn check_tables(pool: &PgPool, shard: ShardId) -> Result<(), MoveError> {
    let sql = "SELECT to_regclass('bucket_moves') IS NOT NULL";
    let has_tables: bool = sqlx::query_scalar(sql).fetch_one(pool).await?;
    has_tables
        .then_some(())
        .ok_or(MoveError::NotMigrated(shard))
}
