//! The record of a move: which steps it has reached. It is on the shard that the bucket leaves.

use sqlx::postgres::{PgExecutor, PgRow};
use sqlx::{Error, Row};

use super::super::bucket::Bucket;
use super::super::shard_map::{Epoch, ShardId};

/// The steps that a move records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MoveStep {
    /// The orders are copied. The old shard owns the bucket.
    Copying,
    /// The changes that arrived meanwhile are applied. The old shard owns the bucket.
    CatchingUp,
    /// The new shard owns the bucket. It may not know it yet, and the map may be old.
    CutOver,
    /// The map names the new shard. Orders remain on the old one.
    CleaningUp,
}

impl MoveStep {
    const ALL: [MoveStep; 4] = [
        MoveStep::Copying,
        MoveStep::CatchingUp,
        MoveStep::CutOver,
        MoveStep::CleaningUp,
    ];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            MoveStep::Copying => "copying",
            MoveStep::CatchingUp => "catching_up",
            MoveStep::CutOver => "cut_over",
            MoveStep::CleaningUp => "cleaning_up",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        MoveStep::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// A move that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveRecord {
    /// The bucket.
    pub bucket: Bucket,
    /// The shard that gets it.
    pub to: ShardId,
    /// The epoch in which that shard owns it.
    pub epoch: Epoch,
    /// The last step that has begun.
    pub step: MoveStep,
}

/// The incomplete moves away from a shard.
pub async fn open_moves(shard: impl PgExecutor<'_>) -> Result<Vec<MoveRecord>, Error> {
    let query =
        sqlx::query("SELECT bucket, to_shard, epoch, step FROM bucket_moves ORDER BY bucket");
    let rows = query.fetch_all(shard).await?;
    rows.iter().map(record_from_row).collect()
}

/// The incomplete move of a bucket away from a shard.
pub(super) async fn find_move(
    shard: impl PgExecutor<'_>,
    bucket: Bucket,
) -> Result<Option<MoveRecord>, Error> {
    let query =
        sqlx::query("SELECT bucket, to_shard, epoch, step FROM bucket_moves WHERE bucket = $1");
    let row = query.bind(i32::from(bucket)).fetch_optional(shard).await?;
    row.as_ref().map(record_from_row).transpose()
}

fn record_from_row(row: &PgRow) -> Result<MoveRecord, Error> {
    let step: &str = row.try_get("step")?;
    let unknown = || Error::Decode(format!("a move has the unknown step {step}").into());
    Ok(MoveRecord {
        bucket: row.try_get::<i32, _>("bucket")? as Bucket,
        to: row.try_get::<i32, _>("to_shard")? as ShardId,
        epoch: row.try_get("epoch")?,
        step: MoveStep::from_name(step).ok_or_else(unknown)?,
    })
}
