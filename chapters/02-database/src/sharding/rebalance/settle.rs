//! The end of a move: forward if the decision was made, else back.

use sqlx::{Connection, Executor};

use super::super::bucket::Bucket;
use super::super::map_table::set_owner;
use super::super::shard_map::Owner;
use super::bucket_move::MoveReport;
use super::error::MoveError;
use super::fail_point::fail_point;
use super::record::{MoveRecord, MoveStep, find_move};
use super::source::Source;
use super::store::Store;
use super::target::{TargetCopy, remove_copy};

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

/// Ends the move of a bucket, whatever step it has reached.
pub(super) async fn settle(
    store: &Store,
    source: &mut Source,
    bucket: Bucket,
) -> Result<Settled, MoveError> {
    match find_move(&mut source.db, bucket).await? {
        None => {
            source.open_gate(bucket).await?;
            Ok(Settled::Nothing)
        }
        Some(record) if record.step < MoveStep::CutOver => {
            source.open_gate(bucket).await?;
            roll_back(store, source, record).await?;
            Ok(Settled::RolledBack)
        }
        Some(_) => {
            let mut report = MoveReport::default();
            complete(store, source, bucket, &mut report).await?;
            Ok(Settled::Completed)
        }
    }
}

/// Removes the copy, then the record. The old shard has owned the bucket all the time.
async fn roll_back(
    store: &Store,
    source: &mut Source,
    record: MoveRecord,
) -> Result<(), MoveError> {
    let target = store.shard(record.to)?;
    remove_copy(target, record.bucket, record.epoch, store.limits.batch).await?;
    fail_point(record.bucket, "copy-removed")?;
    // An order that is being placed has the lock of the row, and ends within seconds.
    source.db.execute("SET lock_timeout = '8s'").await?;
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
    store: &Store,
    source: &mut Source,
    bucket: Bucket,
    report: &mut MoveReport,
) -> Result<(), MoveError> {
    let record = find_move(&mut source.db, bucket).await?;
    let record = record.ok_or(MoveError::Unsettled(bucket))?;
    let owner = Owner {
        shard: record.to,
        epoch: record.epoch,
    };
    TargetCopy::activate(store.shard(record.to)?, bucket, owner.epoch).await?;
    fail_point(bucket, "activated")?;
    change_map(store, bucket, owner).await?;
    fail_point(bucket, "map-changed")?;
    // The waiting writers are refused, read the map, and go to the new owner.
    report.blocked = source.open_gate(bucket).await?;
    source.set_step(bucket, MoveStep::CleaningUp).await?;
    fail_point(bucket, "released")?;
    clean_up(store, source, bucket).await
}
// ANCHOR_END: complete

/// Changes the map, unless it is already newer.
async fn change_map(store: &Store, bucket: Bucket, owner: Owner) -> Result<(), MoveError> {
    let map = store.map().await?;
    if map.entry(bucket).epoch < owner.epoch {
        set_owner(&store.catalog, bucket, owner).await?;
    }
    Ok(())
}

/// Deletes the orders that remain on the old shard, then the row of the bucket and the record.
async fn clean_up(store: &Store, source: &mut Source, bucket: Bucket) -> Result<(), MoveError> {
    let number = i32::from(bucket);
    loop {
        let delete = sqlx::query(
            "DELETE FROM orders WHERE id IN (SELECT id FROM orders \
                 JOIN buckets USING (bucket) WHERE bucket = $1 AND state = 'moved' LIMIT $2)",
        );
        let limit = i64::from(store.limits.batch);
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
