//! The copy of a bucket's orders, and the statement that writes them to the new shard.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveProgress, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::MoveStep;
use super::source::Source;
use crate::postgres::transact;

/// The columns of an order, without the generated one.
const COLUMNS: &str = "id, customer, game_id, quantity, total_cents, created_at, idempotency_key";

/// Some orders as the old shard has them.
pub(super) struct Batch {
    /// The ids of the orders. Those that are not in `rows` are deleted on the old shard.
    pub(super) ids: Vec<i64>,
    /// The rows, as a JSON array.
    pub(super) rows: String,
}

/// Copies all orders of the bucket, in batches. An order that changes meanwhile is in the log.
pub(super) async fn copy(
    source: &mut Source,
    bucket_move: &Move<'_>,
    report: &mut MoveReport,
    progress: &impl Fn(MoveProgress),
) -> Result<(), MoveError> {
    let total = count(&mut source.db, bucket_move).await?;
    create_bucket(bucket_move).await?;
    let mut last_id = 0;
    loop {
        progress(MoveProgress {
            step: MoveStep::Copying,
            copied: report.copied,
            total,
        });
        let batch = read_after(&mut source.db, bucket_move, last_id).await?;
        let Some(id) = batch.ids.last() else {
            return Ok(());
        };
        last_id = *id;
        report.copied += batch.ids.len() as u64;
        write_batch(bucket_move, batch).await?;
        fail_point(bucket_move.bucket, "copying")?;
    }
}

async fn count(db: &mut PgConnection, bucket_move: &Move<'_>) -> Result<u64, MoveError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM orders WHERE bucket = $1");
    let count: i64 = query
        .bind(i32::from(bucket_move.bucket))
        .fetch_one(db)
        .await?;
    Ok(count as u64)
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

/// The next orders after an id.
async fn read_after(
    db: &mut PgConnection,
    bucket_move: &Move<'_>,
    last_id: i64,
) -> Result<Batch, MoveError> {
    let row = sqlx::query(
        "SELECT coalesce(array_agg(id ORDER BY id), '{}') AS ids, \
             coalesce(json_agg(batch), '[]')::text AS rows \
         FROM (SELECT * FROM orders WHERE bucket = $1 AND id > $2 ORDER BY id LIMIT $3) AS batch",
    )
    .bind(i32::from(bucket_move.bucket))
    .bind(last_id)
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
