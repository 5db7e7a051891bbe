//! The copy of a bucket's orders in batches.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveProgress, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::MoveStep;
use super::source::Source;
use super::target::{Batch, TargetCopy};
use crate::model::OrderId;

/// Copies the orders that the bucket has now, in batches. What changes meanwhile is in the log.
/// Orders that an earlier mover has copied are not copied again.
pub(super) async fn copy(
    source: &mut Source,
    bucket_move: &Move<'_>,
    copy: &mut TargetCopy<'_>,
    report: &mut MoveReport,
    progress: &impl Fn(MoveProgress),
) -> Result<(), MoveError> {
    let (total, newest) = extent(&mut source.db, bucket_move).await?;
    let (kept, mut last_id) = copy.extent().await?;
    report.kept = kept;
    loop {
        progress(MoveProgress {
            step: MoveStep::Copying,
            copied: report.kept + report.copied,
            total,
        });
        let batch = read_between(&mut source.db, bucket_move, last_id, newest).await?;
        let Some(id) = batch.ids.last() else {
            return Ok(());
        };
        last_id = *id;
        fail_point(bucket_move.bucket, "read")?;
        report.copied += batch.ids.len() as u64;
        copy.write_batch(batch).await?;
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
