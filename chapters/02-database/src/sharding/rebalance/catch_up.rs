//! The changes of a bucket that arrive during its move.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::bucket_move::{Move, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::source::Source;
use super::target::{Batch, TargetCopy};

/// Applies the recorded changes until few are left. Gives up if they do not become fewer: then
/// nobody has waited yet.
pub(super) async fn catch_up(
    source: &mut Source,
    bucket_move: &Move<'_>,
    copy: &mut TargetCopy<'_>,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let limits = bucket_move.limits;
    for _ in 0..limits.passes {
        let recorded = count_changes(&mut source.db, bucket_move).await?;
        if recorded <= limits.changes_in_block {
            return Ok(());
        }
        let mut applied = 0;
        while applied < recorded {
            match apply_changes(&mut source.db, bucket_move, copy).await? {
                0 => break,
                some => applied += some as i64,
            }
        }
        report.changes += applied as u64;
        fail_point(bucket_move.bucket, "catching-up")?;
    }
    let changes = count_changes(&mut source.db, bucket_move).await?;
    if changes <= limits.changes_in_block {
        return Ok(());
    }
    Err(MoveError::TooFarBehind {
        passes: limits.passes,
        changes,
    })
}

async fn count_changes(db: &mut PgConnection, bucket_move: &Move<'_>) -> Result<i64, MoveError> {
    let query = sqlx::query_scalar("SELECT count(*) FROM order_changes WHERE bucket = $1");
    let query = query.bind(i32::from(bucket_move.bucket));
    Ok(query.fetch_one(db).await?)
}

// ANCHOR: apply_changes
/// Applies some recorded changes to the new shard, then removes them from the log. Returns how
/// many. If the mover dies in between, they are applied again, which does no harm.
///
/// It takes the changes that are there, and not those after the last number. A transaction takes
/// its number when it writes, and the change appears when it commits. So a smaller number may
/// appear later.
pub(super) async fn apply_changes(
    db: &mut PgConnection,
    bucket_move: &Move<'_>,
    copy: &mut TargetCopy<'_>,
) -> Result<usize, MoveError> {
    let bucket = i32::from(bucket_move.bucket);
    // Changes and orders come from one snapshot, so an order is as new as its changes.
    let row = sqlx::query(
        "WITH batch AS (SELECT id, order_id FROM order_changes WHERE bucket = $1 \
             ORDER BY id LIMIT $2) \
         SELECT coalesce(array_agg(id), '{}') AS changes, \
             coalesce(array_agg(order_id), '{}') AS ids, \
             (SELECT coalesce(json_agg(orders), '[]')::text FROM orders \
                 WHERE id IN (SELECT order_id FROM batch)) AS rows \
         FROM batch",
    )
    .bind(bucket)
    .bind(i64::from(bucket_move.limits.batch))
    .fetch_one(&mut *db)
    .await?;
    let changes: Vec<i64> = row.try_get("changes")?;
    if changes.is_empty() {
        return Ok(0);
    }
    let batch = Batch {
        ids: row.try_get("ids")?,
        rows: row.try_get("rows")?,
    };
    copy.write_batch(batch).await?;
    sqlx::query("DELETE FROM order_changes WHERE bucket = $1 AND id = ANY ($2)")
        .bind(bucket)
        .bind(&changes)
        .execute(db)
        .await?;
    Ok(changes.len())
}
// ANCHOR_END: apply_changes
