//! The copy of a bucket's orders, and the statement that writes them to the new shard.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveProgress, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::MoveStep;
use super::source::Source;
use crate::model::OrderId;
use crate::postgres::transact;

/// The columns of an order, without the generated one.
const COLUMNS: &str = "id, customer, game_id, quantity, total_cents, created_at, idempotency_key";

/// Some orders as the old shard has them.
pub(super) struct Batch {
    /// The ids of the orders. Those that are not in `rows` are deleted on the old shard.
    pub(super) ids: Vec<OrderId>,
    /// The rows, as a JSON array.
    pub(super) rows: String,
}

/// Copies the orders that the bucket has now, in batches. What changes meanwhile is in the log.
pub(super) async fn copy(
    source: &mut Source,
    bucket_move: &Move<'_>,
    report: &mut MoveReport,
    progress: &impl Fn(MoveProgress),
) -> Result<(), MoveError> {
    let (total, newest) = extent(&mut source.db, bucket_move).await?;
    create_bucket(bucket_move).await?;
    let mut last_id = 0;
    loop {
        progress(MoveProgress {
            step: MoveStep::Copying,
            copied: report.copied,
            total,
        });
        let batch = read_between(&mut source.db, bucket_move, last_id, newest).await?;
        let Some(id) = batch.ids.last() else {
            return Ok(());
        };
        last_id = *id;
        report.copied += batch.ids.len() as u64;
        write_batch(bucket_move, batch).await?;
        fail_point(bucket_move.bucket, "copying")?;
    }
}

/// The number of the bucket's orders, and the greatest id.
async fn extent(
    db: &mut PgConnection,
    bucket_move: &Move<'_>,
) -> Result<(u64, OrderId), MoveError> {
    let sql = "SELECT count(*), coalesce(max(id), 0) FROM orders WHERE bucket = $1";
    let query = sqlx::query_as(sql).bind(i32::from(bucket_move.bucket));
    let (count, newest): (i64, OrderId) = query.fetch_one(db).await?;
    Ok((count as u64, newest))
}

/// Gives the new shard the bucket's row. The shard refuses customers' orders in this state.
async fn create_bucket(bucket_move: &Move<'_>) -> Result<(), MoveError> {
    let (bucket, epoch) = (i32::from(bucket_move.bucket), bucket_move.epoch);
    let create = transact(bucket_move.target, move |db| {
        let insert =
            "INSERT INTO buckets (bucket, next, state, epoch) VALUES ($1, 0, 'incoming', $2)";
        let insert = sqlx::query(insert).bind(bucket).bind(epoch);
        Box::pin(async move { insert.execute(db).await.map(drop) })
    });
    Ok(create.await?)
}

/// The next orders after an id, up to another.
async fn read_between(
    db: &mut PgConnection,
    bucket_move: &Move<'_>,
    last_id: OrderId,
    newest: OrderId,
) -> Result<Batch, MoveError> {
    let row = sqlx::query(
        "SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids, \
             coalesce(json_agg(batch), '[]')::text AS rows \
         FROM (SELECT * FROM orders WHERE bucket = $1 AND id > $2 AND id <= $3 \
             ORDER BY id LIMIT $4) AS batch",
    )
    .bind(i32::from(bucket_move.bucket))
    .bind(last_id)
    .bind(newest)
    .bind(i64::from(bucket_move.limits.batch))
    .fetch_one(db)
    .await?;
    Ok(Batch {
        ids: row.try_get("ids")?,
        rows: row.try_get("rows")?,
    })
}

/// Replaces these orders on the new shard, in one transaction. Repeating it does no harm.
pub(super) async fn write_batch(bucket_move: &Move<'_>, batch: Batch) -> Result<(), MoveError> {
    let (bucket, epoch) = (i32::from(bucket_move.bucket), bucket_move.epoch);
    let write = transact(bucket_move.target, move |db| {
        Box::pin(async move {
            // The lock makes a mover that hangs, and then continues, wait for a later mover and
            // fail.
            sqlx::query(
                "SELECT set_config('sharding.bucket_state', 'incoming', true) FROM buckets \
                 WHERE bucket = $1 AND state = 'incoming' AND epoch = $2 FOR UPDATE",
            )
            .bind(bucket)
            .bind(epoch)
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
