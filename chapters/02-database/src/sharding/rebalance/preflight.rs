//! The check before a move.

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::map_table::load_map;
use super::super::shard_map::{Owner, ShardId};
use super::record::find_move;
use super::settle::remove_copy;
use super::source::{Source, bucket_state};
use super::{Move, MoveError, Mover};

impl Mover {
    /// Locks the bucket for this mover, and checks everything that could stop the move later.
    pub(super) async fn prepare(
        &self,
        bucket: Bucket,
        to: ShardId,
    ) -> Result<(Source, Move<'_>), MoveError> {
        let from = self.owner(bucket).await?.shard;
        let target = self.shard(to)?;
        let source_pool = self.shard(from)?;
        if from == to {
            return Err(MoveError::AlreadyThere { bucket, shard: to });
        }
        check_tables(source_pool, from).await?;
        check_tables(target, to).await?;
        let mut source = Source::lock(source_pool, bucket, &self.limits).await?;
        // The owner may have changed before the lock was granted.
        let map = load_map(&self.catalog).await?.ok_or(MoveError::NoMap)?;
        let Owner { shard, epoch } = map.entry(bucket);
        if find_move(&mut source.db, bucket).await?.is_some() {
            return Err(MoveError::Unsettled(bucket));
        }
        let state = bucket_state(source_pool, bucket).await?;
        if shard != from || state != Some(("active".to_owned(), epoch)) {
            return Err(MoveError::NotOwned { bucket, shard });
        }
        match bucket_state(target, bucket).await? {
            None => {}
            // Only the mover of the owning shard writes such a row, and this is its only mover. So
            // the row belongs to a move that was killed.
            Some((state, epoch)) if state == "incoming" => {
                remove_copy(target, bucket, epoch).await?;
            }
            Some(_) => return Err(MoveError::TargetHasBucket { bucket, shard: to }),
        }
        let bucket_move = Move {
            bucket,
            from,
            to,
            target,
            old_epoch: epoch,
            epoch: map.epoch() + 1,
            limits: &self.limits,
        };
        Ok((source, bucket_move))
    }

    async fn owner(&self, bucket: Bucket) -> Result<Owner, MoveError> {
        let map = load_map(&self.catalog).await?.ok_or(MoveError::NoMap)?;
        Ok(map.entry(bucket))
    }
}

async fn check_tables(pool: &PgPool, shard: ShardId) -> Result<(), MoveError> {
    let sql = "SELECT to_regclass('bucket_moves') IS NOT NULL";
    let has_tables: bool = sqlx::query_scalar(sql).fetch_one(pool).await?;
    has_tables
        .then_some(())
        .ok_or(MoveError::NotMigrated(shard))
}
