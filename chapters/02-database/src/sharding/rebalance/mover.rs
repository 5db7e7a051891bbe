//! The sequence of the steps of a move.

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::shard_map::ShardId;
use super::bucket_move::{Move, MoveProgress, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::limits::MoveLimits;
use super::preflight::prepare;
use super::record::{MoveRecord, MoveStep, open_moves};
use super::settle::{Settled, complete, settle};
use super::source::Source;
use super::store::Store;
use super::{catch_up, copy, cut_over};

/// Moves buckets between the shards of one store.
pub struct Mover {
    pub(super) store: Store,
}

impl Mover {
    /// A mover for the store with these databases, in the order of the shards.
    pub fn new(catalog: PgPool, shards: Vec<PgPool>, limits: MoveLimits) -> Self {
        let store = Store {
            catalog,
            shards,
            limits,
        };
        Mover { store }
    }

    /// Moves a bucket. After an error, the bucket is where it was, unless the error says otherwise.
    ///
    /// A process that dies during a move leaves a record on the old shard. The next process must
    /// call [`settle_all`](Self::settle_all).
    pub async fn move_bucket(
        &self,
        bucket: Bucket,
        to: ShardId,
        progress: impl Fn(MoveProgress),
    ) -> Result<MoveReport, MoveError> {
        let (mut source, bucket_move) = prepare(&self.store, bucket, to).await?;
        let mut report = MoveReport::default();
        let moved = self.run(&mut source, &bucket_move, &mut report, &progress);
        let Err(error) = moved.await else {
            return Ok(report);
        };
        if error.is_kill() {
            return Err(error);
        }
        match settle(&self.store, &mut source, bucket).await {
            Ok(Settled::Completed) => Ok(report),
            Ok(Settled::RolledBack | Settled::Nothing) => Err(error),
            Err(second) => Err(MoveError::Interrupted {
                bucket,
                first: Box::new(error),
                second: Box::new(second),
            }),
        }
    }

    // ANCHOR: run
    async fn run(
        &self,
        source: &mut Source,
        bucket_move: &Move<'_>,
        report: &mut MoveReport,
        progress: &impl Fn(MoveProgress),
    ) -> Result<(), MoveError> {
        let bucket = bucket_move.bucket;
        source.begin_move(bucket_move).await?;
        fail_point(bucket, "recorded")?;
        copy::copy(source, bucket_move, report, progress).await?;
        source.set_step(bucket, MoveStep::CatchingUp).await?;
        fail_point(bucket, "copied")?;
        catch_up::catch_up(source, bucket_move, report).await?;
        fail_point(bucket, "caught-up")?;
        cut_over::cut_over(source, bucket_move, report).await?;
        complete(&self.store, source, bucket, report).await
    }
    // ANCHOR_END: run

    /// Completes or rolls back every move that was interrupted. Returns them, with the shard that
    /// the bucket left. Moves of other processes that still run are not touched.
    pub async fn settle_all(&self) -> Result<Vec<(ShardId, MoveRecord, Settled)>, MoveError> {
        let mut settled = Vec::new();
        for (from, shard) in self.store.shards.iter().enumerate() {
            for record in open_moves(shard).await? {
                let mut source = match self.store.lock(from, record.bucket).await {
                    Err(MoveError::Busy(_)) => continue,
                    source => source?,
                };
                let outcome = settle(&self.store, &mut source, record.bucket).await?;
                settled.push((from, record, outcome));
            }
        }
        Ok(settled)
    }
}
