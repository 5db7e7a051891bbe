//! The naive move: copies the bucket, then changes the owner. For tests and the experiment.

use super::super::bucket::Bucket;
use super::super::map_table::set_owner;
use super::super::shard_map::{Owner, ShardId};
use super::bucket_move::{Move, MoveReport};
use super::copy::copy;
use super::error::MoveError;
use super::mover::Mover;
use super::preflight::prepare;
use super::source::Source;
use super::target::TargetCopy;

/// A bucket that was copied. An order that arrives now is not in the copy, and is lost.
pub struct NaiveMove<'m> {
    mover: &'m Mover,
    source: Source,
    bucket_move: Move<'m>,
}

impl<'m> NaiveMove<'m> {
    /// Copies the bucket. The old shard records no changes.
    pub async fn copy(
        mover: &'m Mover,
        bucket: Bucket,
        to: ShardId,
    ) -> Result<NaiveMove<'m>, MoveError> {
        let (mut source, bucket_move) = prepare(&mover.store, bucket, to).await?;
        copy(
            &mut source,
            &bucket_move,
            &mut TargetCopy::claim(&bucket_move).await?,
            &mut MoveReport::default(),
            &|_| (),
        )
        .await?;
        Ok(NaiveMove {
            mover,
            source,
            bucket_move,
        })
    }

    /// Changes the owner. No writer is held back, and nothing is compared.
    pub async fn switch(mut self) -> Result<(), MoveError> {
        let Move {
            bucket, to, epoch, ..
        } = self.bucket_move;
        let next: i64 = sqlx::query_scalar(
            "UPDATE buckets SET state = 'moved', epoch = $2 WHERE bucket = $1 RETURNING next",
        )
        .bind(i32::from(bucket))
        .bind(epoch)
        .fetch_one(&mut self.source.db)
        .await?;
        sqlx::query("UPDATE buckets SET state = 'active', next = $2 WHERE bucket = $1")
            .bind(i32::from(bucket))
            .bind(next)
            .execute(self.bucket_move.target)
            .await?;
        let owner = Owner { shard: to, epoch };
        set_owner(&self.mover.store.catalog, bucket, owner).await?;
        // Whatever has arrived since the copy goes too.
        for sql in [
            "DELETE FROM orders WHERE bucket = $1",
            "DELETE FROM buckets WHERE bucket = $1",
        ] {
            let query = sqlx::query(sql).bind(i32::from(bucket));
            query.execute(&mut self.source.db).await?;
        }
        Ok(())
    }
}
