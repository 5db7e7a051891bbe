//! Moves buckets to other shards while customers order.
//!
//! A [`Mover`] copies a bucket, follows the changes that arrive meanwhile, holds the writers of
//! this one bucket back for a moment, and gives the bucket to the other shard. A [`plan`] names
//! the moves that give all shards equally many buckets.
//!
//! | file | step of a move |
//! |---|---|
//! | `preflight.rs` | checks first, because an error halfway costs more |
//! | `record.rs` | the record of the steps, on the shard that the bucket leaves |
//! | `copy.rs` | copies the orders in batches, while the old shard records each change |
//! | `catch_up.rs` | applies the recorded changes until few are left |
//! | `cut_over.rs` | the block of the bucket, the comparison, and the decision |
//! | `settle.rs` | completes or rolls back a move that was interrupted, and cleans up |
//!
//! # One decision
//!
//! A single transaction on the old shard ends its ownership and writes the step `cut_over`. Before
//! it, every crash leads back: the next run removes the copy. After it, every crash leads forward:
//! the next run activates the bucket on the new shard, changes the map, and cleans up. If a mover
//! dies in between, requests for the bucket get 503 until [`Mover::settle_all`] has run.
//!
//! # One mover
//!
//! A mover holds an advisory lock of its bucket on the old shard, on the connection that also
//! decides. Without this connection it cannot decide, and another mover can begin.

mod catch_up;
mod copy;
mod cut_over;
mod digest;
mod error;
mod fail_point;
mod limits;
mod naive;
mod plan;
mod preflight;
mod record;
mod settle;
mod source;

use std::time::Duration;

use sqlx::postgres::PgPool;

pub use error::MoveError;
pub use limits::MoveLimits;
pub use naive::NaiveMove;
pub use plan::{PlannedMove, plan};
pub use record::{MoveRecord, MoveStep, open_moves};
pub use settle::Settled;

use super::bucket::Bucket;
use super::shard_map::{Epoch, ShardId};
use fail_point::fail_point;
use source::Source;

/// Moves buckets between the shards of one store.
pub struct Mover {
    catalog: PgPool,
    shards: Vec<PgPool>,
    limits: MoveLimits,
}

/// What a completed move has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// The orders that were copied at first.
    pub copied: u64,
    /// The changes that arrived during the move and were applied afterwards.
    pub changes: u64,
    /// How often the writers were held back without success, because of a long transaction.
    pub failed_blocks: u32,
    /// How long the writers of the bucket were held back by the cut-over.
    pub blocked: Duration,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveProgress {
    /// The current step.
    pub step: MoveStep,
    /// The orders that are copied.
    pub copied: u64,
    /// The orders of the bucket when the move began.
    pub total: u64,
}

/// One move of one bucket.
struct Move<'m> {
    bucket: Bucket,
    from: ShardId,
    to: ShardId,
    target: &'m PgPool,
    /// The epoch of the old owner.
    old_epoch: Epoch,
    /// The epoch of the new owner.
    epoch: Epoch,
    limits: &'m MoveLimits,
}

impl Mover {
    /// A mover for the store with these databases, in the order of the shards.
    pub fn new(catalog: PgPool, shards: Vec<PgPool>, limits: MoveLimits) -> Self {
        Mover {
            catalog,
            shards,
            limits,
        }
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
        let (mut source, bucket_move) = self.prepare(bucket, to).await?;
        let mut report = MoveReport::default();
        let moved = self
            .run(&mut source, &bucket_move, &mut report, &progress)
            .await;
        let Err(error) = moved else {
            return Ok(report);
        };
        if error.is_kill() {
            return Err(error);
        }
        match self.settle(&mut source, bucket_move.from, bucket).await {
            Ok(Settled::Completed) => Ok(report),
            Ok(Settled::RolledBack | Settled::Nothing) => Err(error),
            Err(second) => Err(MoveError::Interrupted {
                bucket,
                first: Box::new(error),
                second: Box::new(second),
            }),
        }
    }

    async fn run(
        &self,
        source: &mut Source,
        bucket_move: &Move<'_>,
        report: &mut MoveReport,
        progress: &impl Fn(MoveProgress),
    ) -> Result<(), MoveError> {
        let fail = |step| fail_point(bucket_move.bucket, step);
        source.begin_move(bucket_move).await?;
        fail("recorded")?;
        copy::copy(source, bucket_move, report, progress).await?;
        source
            .set_step(bucket_move.bucket, MoveStep::CatchingUp)
            .await?;
        fail("copied")?;
        catch_up::catch_up(source, bucket_move, report).await?;
        fail("caught-up")?;
        cut_over::cut_over(source, bucket_move, report).await?;
        self.complete(source, bucket_move.from, bucket_move.bucket, report)
            .await
    }

    fn shard(&self, shard: ShardId) -> Result<&PgPool, MoveError> {
        self.shards.get(shard).ok_or(MoveError::UnknownShard {
            shard,
            known: self.shards.len(),
        })
    }
}
