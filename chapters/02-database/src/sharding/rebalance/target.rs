//! The copy of a bucket on the shard that gets it, and every statement that writes to it.

use std::collections::BTreeSet;

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::shard_map::Epoch;
use super::bucket_move::Move;
use super::error::MoveError;
use super::fail_point::fail_point;
use crate::model::OrderId;
use crate::postgres::transact;

/// The columns of an order, without the generated one.
const COLUMNS: &str = "id, customer, game_id, quantity, total_cents, created_at, idempotency_key, \
     payment_reference";

/// Some orders as the old shard has them.
pub(super) struct Batch {
    /// The ids of the orders. Those that are not in `rows` are deleted on the old shard.
    pub(super) ids: Vec<OrderId>,
    /// The rows, as a JSON array.
    pub(super) rows: String,
}

/// The copied orders that were not compared since the mover wrote them.
pub(super) enum Unchecked {
    /// Nothing was compared yet.
    All,
    /// Everything else was compared, or is in the log of changes.
    Only(BTreeSet<OrderId>),
}

/// The copy of a bucket on the new shard, as its only mover knows it.
pub(super) struct TargetCopy<'m> {
    pub(super) pool: &'m PgPool,
    pub(super) bucket: Bucket,
    /// The version of the bucket's row on the new shard. A mover that hangs, and then continues
    /// after another mover has claimed the copy, has an old version and cannot write.
    version: i64,
    pub(super) unchecked: Unchecked,
}

impl<'m> TargetCopy<'m> {
    /// Creates the bucket's row on the new shard, or takes it over from a mover that was killed.
    /// The shard refuses customers' orders in this state.
    pub(super) async fn claim(bucket_move: &Move<'m>) -> Result<TargetCopy<'m>, MoveError> {
        let &Move {
            bucket,
            to,
            epoch,
            target: pool,
            ..
        } = bucket_move;
        let number = i32::from(bucket);
        // Each update gives the row another `xmin`, and waits for a batch that is being written.
        let claim = transact(pool, move |db| {
            let claim = sqlx::query_scalar(
                "INSERT INTO buckets (bucket, next, state, epoch) VALUES ($1, 0, 'incoming', $2) \
                 ON CONFLICT (bucket) DO UPDATE SET state = 'incoming' \
                     WHERE buckets.state = 'incoming' AND buckets.epoch = $2 \
                 RETURNING xmin::text::bigint",
            );
            let claim = claim.bind(number).bind(epoch);
            Box::pin(async move { claim.fetch_optional(db).await })
        });
        let version: Option<i64> = claim.await?;
        let version = version.ok_or(MoveError::TargetHasBucket { bucket, shard: to })?;
        Ok(TargetCopy {
            pool,
            bucket,
            version,
            unchecked: Unchecked::All,
        })
    }

    /// The number of the copy's orders and the greatest id, 0 without orders.
    ///
    /// A copy grows by id, and [`remove_copy`] takes the greatest ids first. So the copy has all
    /// orders up to this id, except those in the log of changes.
    pub(super) async fn extent(&self) -> Result<(u64, OrderId), MoveError> {
        let sql = "SELECT count(*), coalesce(max(id), 0) FROM orders WHERE bucket = $1";
        let query = sqlx::query_as(sql).bind(i32::from(self.bucket));
        let (count, last): (i64, OrderId) = query.fetch_one(self.pool).await?;
        Ok((count as u64, last))
    }

    /// Replaces these orders on the new shard, in one transaction. Repeating it does no harm.
    pub(super) async fn write_batch(&mut self, batch: Batch) -> Result<(), MoveError> {
        if let Unchecked::Only(ids) = &mut self.unchecked {
            ids.extend(&batch.ids);
        }
        let (bucket, version) = (i32::from(self.bucket), self.version);
        let write = transact(self.pool, move |db| {
            Box::pin(async move {
                // The lock makes a later mover wait until this batch is complete.
                sqlx::query(
                    "SELECT set_config('sharding.bucket_state', 'incoming', true) FROM buckets \
                     WHERE bucket = $1 AND state = 'incoming' AND xmin::text::bigint = $2 \
                     FOR UPDATE",
                )
                .bind(bucket)
                .bind(version)
                .fetch_one(&mut *db)
                .await?;
                sqlx::query("DELETE FROM orders WHERE id = ANY ($1)")
                    .bind(&batch.ids)
                    .execute(&mut *db)
                    .await?;
                let insert = sqlx::AssertSqlSafe(format!(
                    "INSERT INTO orders ({COLUMNS}) \
                     SELECT {COLUMNS} FROM json_populate_recordset(NULL::orders, $1::json)"
                ));
                let insert = sqlx::query(insert).bind(&batch.rows);
                insert.execute(db).await.map(drop)
            })
        });
        Ok(write.await?)
    }

    /// Lets the new shard continue the sequence of the bucket. After this, no batch can be written.
    pub(super) async fn set_next(&self, next: i64) -> Result<(), MoveError> {
        let (bucket, version) = (i32::from(self.bucket), self.version);
        let set = transact(self.pool, move |db| {
            let update = "UPDATE buckets SET next = $3 \
                 WHERE bucket = $1 AND state = 'incoming' AND xmin::text::bigint = $2 \
                 RETURNING bucket";
            let update = sqlx::query(update).bind(bucket).bind(version).bind(next);
            Box::pin(async move { update.fetch_one(db).await.map(drop) })
        });
        Ok(set.await?)
    }

    /// Makes the new shard accept the bucket's orders.
    pub(super) async fn activate(
        target: &PgPool,
        bucket: Bucket,
        epoch: Epoch,
    ) -> Result<(), MoveError> {
        let number = i32::from(bucket);
        let activate = transact(target, move |db| {
            let update = "UPDATE buckets SET state = 'active' \
                 WHERE bucket = $1 AND epoch = $2 AND state = 'incoming'";
            let update = sqlx::query(update).bind(number).bind(epoch);
            Box::pin(async move { update.execute(db).await.map(drop) })
        });
        Ok(activate.await?)
    }
}

/// Removes a copy that was never activated, in batches, the newest orders first. The lock of the
/// row makes it wait for a batch that is being written, and a batch that comes later finds no row
/// and fails. Returns whether there was such a copy: it may have been activated meanwhile.
pub(super) async fn remove_copy(
    target: &PgPool,
    bucket: Bucket,
    epoch: Epoch,
    batch: u32,
) -> Result<bool, MoveError> {
    let number = i32::from(bucket);
    let remove_some = move || {
        transact(target, move |db| {
            Box::pin(async move {
                let lock = "SELECT FROM buckets \
                     WHERE bucket = $1 AND epoch = $2 AND state = 'incoming' FOR UPDATE";
                let lock = sqlx::query(lock).bind(number).bind(epoch);
                if lock.fetch_optional(&mut *db).await?.is_none() {
                    return Ok(None);
                }
                let delete = sqlx::query(
                    "DELETE FROM orders WHERE id IN \
                         (SELECT id FROM orders WHERE bucket = $1 ORDER BY id DESC LIMIT $2)",
                );
                let delete = delete.bind(number).bind(i64::from(batch));
                let deleted = delete.execute(&mut *db).await?.rows_affected();
                if deleted == 0 {
                    let delete = sqlx::query("DELETE FROM buckets WHERE bucket = $1");
                    delete.bind(number).execute(db).await?;
                }
                Ok(Some(deleted))
            })
        })
    };
    let mut is_found = false;
    while let Some(deleted) = remove_some().await? {
        is_found = true;
        if deleted == 0 {
            break;
        }
        fail_point(bucket, "removing-copy")?;
    }
    Ok(is_found)
}
