//! The sequence of the steps of a move.

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::shard_map::{Epoch, ShardId};
use super::bucket_move::{Move, MoveProgress, MoveReport};
use super::error::MoveError;
use super::fail_point::fail_point;
use super::limits::MoveLimits;
use super::preflight::prepare;
use super::record::{MoveRecord, MoveStep, find_move, open_moves};
use super::settle::{Settled, complete, settle};
use super::source::Source;
use super::store::Store;
use super::target::{TargetCopy, remove_copy};
use super::{catch_up, compare, copy, cut_over};

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
    /// A process that dies during a move leaves a record on the old shard. Before the decision, the
    /// same call continues the move. Else the next process must call
    /// [`settle_all`](Self::settle_all).
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
        if !bucket_move.is_continued {
            source.begin_move(bucket_move).await?;
        }
        fail_point(bucket, "recorded")?;
        let mut target = TargetCopy::claim(bucket_move).await?;
        copy::copy(source, bucket_move, &mut target, report, progress).await?;
        source.set_step(bucket, MoveStep::CatchingUp).await?;
        fail_point(bucket, "copied")?;
        catch_up::catch_up(source, bucket_move, &mut target, report).await?;
        fail_point(bucket, "caught-up")?;
        compare::compare(&mut source.db, &mut target, bucket_move.limits.batch).await?;
        cut_over::cut_over(source, bucket_move, &mut target, report).await?;
        complete(&self.store, source, bucket, report).await
    }
    // ANCHOR_END: run

    /// Completes or rolls back every move that was interrupted. Returns them, with the shard that
    /// the bucket left. Moves of other processes that still run are not touched.
    pub async fn settle_all(&self) -> Result<Vec<(ShardId, MoveRecord, Settled)>, MoveError> {
        self.settle_all_except(|_| false).await
    }

    /// Like [`settle_all`](Self::settle_all), without those moves that are to be continued. After
    /// its decision, a move is completed anyway.
    pub async fn settle_all_except(
        &self,
        is_continued: impl Fn(&MoveRecord) -> bool,
    ) -> Result<Vec<(ShardId, MoveRecord, Settled)>, MoveError> {
        let mut settled = Vec::new();
        for (from, shard) in self.store.shards.iter().enumerate() {
            for record in open_moves(shard).await? {
                if record.step < MoveStep::CutOver && is_continued(&record) {
                    continue;
                }
                let Some(mut source) = self.try_lock(from, record.bucket).await? else {
                    continue;
                };
                let outcome = settle(&self.store, &mut source, record.bucket).await?;
                settled.push((from, record, outcome));
            }
        }
        settled.extend(self.remove_orphans().await?);
        Ok(settled)
    }

    /// Removes copies that no record names: a mover has died while its last statement was under
    /// way.
    async fn remove_orphans(&self) -> Result<Vec<(ShardId, MoveRecord, Settled)>, MoveError> {
        let map = self.store.map().await?;
        let mut removed = Vec::new();
        for (to, target) in self.store.shards.iter().enumerate() {
            let rows: Vec<(i32, Epoch)> =
                sqlx::query_as("SELECT bucket, epoch FROM buckets WHERE state = 'incoming'")
                    .fetch_all(target)
                    .await?;
            for (bucket, epoch) in rows {
                let bucket = bucket as Bucket;
                let from = map.owner(bucket);
                let Some(mut source) = self.try_lock(from, bucket).await? else {
                    continue;
                };
                let batch = self.store.limits.batch;
                if find_move(&mut source.db, bucket).await?.is_none()
                    && remove_copy(target, bucket, epoch, batch).await?
                {
                    let step = MoveStep::Copying;
                    let record = MoveRecord {
                        bucket,
                        to,
                        epoch,
                        step,
                    };
                    removed.push((from, record, Settled::RolledBack));
                }
            }
        }
        Ok(removed)
    }

    /// `None` if another mover has the lock, and so is alive.
    async fn try_lock(&self, from: ShardId, bucket: Bucket) -> Result<Option<Source>, MoveError> {
        match self.store.lock(from, bucket).await {
            Err(MoveError::Busy(_)) => Ok(None),
            source => source.map(Some),
        }
    }
}
