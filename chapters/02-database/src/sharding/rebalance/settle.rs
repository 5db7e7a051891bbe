//! The end of a move: forward if the decision was made, else back.

use sqlx::postgres::PgPool;
use sqlx::{Connection, Row};

use super::super::bucket::Bucket;
use super::super::map_table::{load_map, set_owner};
use super::super::shard_map::{Epoch, Owner, ShardId};
use super::record::{MoveRecord, MoveStep, find_move, open_moves};
use super::source::Source;
use super::{MoveError, MoveReport, Mover, fail_point};
use crate::postgres::transact;

/// What was done with a move that had not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The new shard owns the bucket, and the old one has no remains.
    Completed,
    /// The old shard owns the bucket, and the new one has no remains.
    RolledBack,
    /// There was nothing to do.
    Nothing,
}

impl Mover {
    /// Completes or rolls back every move that was interrupted. Returns them, with the shard that
    /// the bucket left. Moves of other processes that still run are not touched.
    pub async fn settle_all(&self) -> Result<Vec<(ShardId, MoveRecord, Settled)>, MoveError> {
        let mut settled = Vec::new();
        for (from, shard) in self.shards.iter().enumerate() {
            for record in open_moves(shard).await? {
                let mut source = match Source::lock(shard, record.bucket, &self.limits).await {
                    Err(MoveError::Busy(_)) => continue,
                    source => source?,
                };
                let outcome = self.settle(&mut source, from, record.bucket).await?;
                settled.push((from, record, outcome));
            }
        }
        Ok(settled)
    }

    /// Ends the move of a bucket, whatever step it has reached.
    pub(super) async fn settle(
        &self,
        source: &mut Source,
        from: ShardId,
        bucket: Bucket,
    ) -> Result<Settled, MoveError> {
        match find_move(&mut source.db, bucket).await? {
            None => {
                source.open_gate(bucket).await?;
                Ok(Settled::Nothing)
            }
            Some(record) if record.step < MoveStep::CutOver => {
                source.open_gate(bucket).await?;
                self.roll_back(source, record).await?;
                Ok(Settled::RolledBack)
            }
            Some(_) => {
                let mut report = MoveReport::default();
                self.complete(source, from, bucket, &mut report).await?;
                Ok(Settled::Completed)
            }
        }
    }

    /// Removes the copy, then the record. The old shard has owned the bucket all the time.
    async fn roll_back(&self, source: &mut Source, record: MoveRecord) -> Result<(), MoveError> {
        remove_copy(self.shard(record.to)?, record.bucket, record.epoch).await?;
        fail_point(record.bucket, "copy-removed")?;
        let mut transaction = source.db.begin().await?;
        for sql in [
            "UPDATE buckets SET is_recorded = false WHERE bucket = $1",
            // A transaction that is still open may add some. The next move removes them.
            "DELETE FROM order_changes WHERE bucket = $1",
            "DELETE FROM bucket_moves WHERE bucket = $1",
        ] {
            let query = sqlx::query(sql).bind(i32::from(record.bucket));
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    // ANCHOR: complete
    /// Does what follows the decision. Each step may be repeated.
    pub(super) async fn complete(
        &self,
        source: &mut Source,
        from: ShardId,
        bucket: Bucket,
        report: &mut MoveReport,
    ) -> Result<(), MoveError> {
        let record = find_move(&mut source.db, bucket).await?;
        let record = record.ok_or(MoveError::NotOwned {
            bucket,
            shard: from,
        })?;
        let owner = Owner {
            shard: record.to,
            epoch: record.epoch,
        };
        activate(self.shard(record.to)?, bucket, owner.epoch).await?;
        fail_point(bucket, "activated")?;
        self.change_map(bucket, owner).await?;
        fail_point(bucket, "map-changed")?;
        // The waiting writers are refused, read the map, and go to the new owner.
        report.blocked = source.open_gate(bucket).await?;
        source.set_step(bucket, MoveStep::CleaningUp).await?;
        fail_point(bucket, "released")?;
        self.clean_up(source, bucket).await
    }
    // ANCHOR_END: complete

    /// Changes the map, unless it is already newer.
    async fn change_map(&self, bucket: Bucket, owner: Owner) -> Result<(), MoveError> {
        let map = load_map(&self.catalog).await?.ok_or(MoveError::NoMap)?;
        if map.entry(bucket).epoch < owner.epoch {
            set_owner(&self.catalog, bucket, owner).await?;
        }
        Ok(())
    }

    /// Deletes the orders that remain on the old shard, then the row of the bucket and the record.
    async fn clean_up(&self, source: &mut Source, bucket: Bucket) -> Result<(), MoveError> {
        let number = i32::from(bucket);
        loop {
            let delete = sqlx::query(
                "DELETE FROM orders WHERE id IN (SELECT id FROM orders \
                     JOIN buckets USING (bucket) WHERE bucket = $1 AND state = 'moved' LIMIT $2)",
            );
            let limit = i64::from(self.limits.batch);
            let deleted = delete.bind(number).bind(limit).execute(&mut source.db);
            if deleted.await?.rows_affected() == 0 {
                break;
            }
            fail_point(bucket, "cleaning-up")?;
        }
        let mut transaction = source.db.begin().await?;
        for sql in [
            "DELETE FROM order_changes WHERE bucket = $1",
            "DELETE FROM bucket_moves WHERE bucket = $1",
            "DELETE FROM buckets WHERE bucket = $1 AND state = 'moved'",
        ] {
            let query = sqlx::query(sql).bind(number);
            query.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Makes the new shard accept the bucket's orders.
async fn activate(target: &PgPool, bucket: Bucket, epoch: Epoch) -> Result<(), MoveError> {
    let number = i32::from(bucket);
    let activate = transact(target, move |db| {
        let update = "UPDATE buckets SET state = 'active' \
             WHERE bucket = $1 AND epoch = $2 AND state = 'incoming'";
        let update = sqlx::query(update).bind(number).bind(epoch);
        Box::pin(async move { update.execute(db).await.map(drop) })
    });
    Ok(activate.await?)
}

/// Removes a copy that was never activated. The lock of the row makes it wait for a batch that is
/// being written, and a batch that comes later finds no row and fails.
pub(super) async fn remove_copy(
    target: &PgPool,
    bucket: Bucket,
    epoch: Epoch,
) -> Result<(), MoveError> {
    let number = i32::from(bucket);
    let remove = transact(target, move |db| {
        Box::pin(async move {
            let lock = "SELECT bucket FROM buckets \
                 WHERE bucket = $1 AND epoch = $2 AND state = 'incoming' FOR UPDATE";
            let lock = sqlx::query(lock).bind(number).bind(epoch);
            let Some(row) = lock.fetch_optional(&mut *db).await? else {
                return Ok(());
            };
            let found: i32 = row.try_get("bucket")?;
            for sql in [
                "DELETE FROM orders WHERE bucket = $1",
                "DELETE FROM buckets WHERE bucket = $1",
            ] {
                sqlx::query(sql).bind(found).execute(&mut *db).await?;
            }
            Ok(())
        })
    });
    Ok(remove.await?)
}
