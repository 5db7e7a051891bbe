//! One move of one bucket: what it concerns, how far it is, and what it has done.

use std::time::Duration;

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::shard_map::{Epoch, ShardId};
use super::error::MoveError;
use super::limits::MoveLimits;
use super::record::MoveStep;

/// What a completed move has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveReport {
    /// The orders that an earlier mover had copied before it was killed.
    pub kept: u64,
    /// The orders that were copied at first.
    pub copied: u64,
    /// The changes that arrived during the move and were applied afterwards.
    pub changes: u64,
    /// How often the writers were held back without success, because of a long transaction or a
    /// slow shard.
    pub failed_blocks: u32,
    /// The orders that were compared while the writers were held back.
    pub checked_in_block: u64,
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
pub(super) struct Move<'m> {
    pub(super) bucket: Bucket,
    pub(super) from: ShardId,
    pub(super) to: ShardId,
    pub(super) target: &'m PgPool,
    /// The epoch of the old owner.
    pub(super) old_epoch: Epoch,
    /// The epoch of the new owner.
    pub(super) epoch: Epoch,
    pub(super) limits: &'m MoveLimits,
    /// Whether this continues a move that was killed.
    pub(super) is_continued: bool,
}

impl Move<'_> {
    /// Waits before the next attempt to get a lock. An error after the last one.
    pub(super) async fn pause_after_attempt(&self, attempts: &mut u32) -> Result<(), MoveError> {
        if *attempts >= self.limits.lock_attempts {
            return Err(MoveError::LongTransaction {
                bucket: self.bucket,
                attempts: *attempts,
            });
        }
        *attempts += 1;
        tokio::time::sleep(self.limits.lock_pause).await;
        Ok(())
    }
}
