//! Why a bucket does not move.

use sqlx::Error;

use common::error_chain;

use super::super::bucket::Bucket;
use super::super::shard_map::ShardId;
use crate::model::StoreError;

/// Why a move failed. Unless the variant says otherwise, the old shard still owns the bucket.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The catalogue has no shard map.
    #[error("the store has no shard map; fill it before you move a bucket")]
    NoMap,
    /// There is no address for this shard.
    #[error("there is no shard {shard}, only shards 0 to {}; give all addresses", known - 1)]
    UnknownShard {
        /// The shard of the move.
        shard: ShardId,
        /// The number of addresses.
        known: usize,
    },
    /// The bucket is already there.
    #[error("shard {shard} already owns bucket {bucket}")]
    AlreadyThere {
        /// The bucket.
        bucket: Bucket,
        /// Its owner, and the target of the move.
        shard: ShardId,
    },
    /// A database of the move has not been migrated.
    #[error("the database of shard {0} lacks the tables of a move; migrate the store first")]
    NotMigrated(ShardId),
    /// The shard map and the shards do not agree about the bucket.
    #[error(
        "the shard map says that shard {shard} owns bucket {bucket}, but the shard disagrees; \
         `rebalance` without a bucket completes an interrupted move"
    )]
    NotOwned {
        /// The bucket.
        bucket: Bucket,
        /// Its owner in the map.
        shard: ShardId,
    },
    /// The target has, or had, the bucket.
    #[error(
        "shard {shard} has remains of bucket {bucket} from an earlier move, or two addresses name \
         the same database; `rebalance` without a bucket completes interrupted moves"
    )]
    TargetHasBucket {
        /// The bucket.
        bucket: Bucket,
        /// The target.
        shard: ShardId,
    },
    /// Another process moves the bucket now.
    #[error("another process moves bucket {0}; wait until it has ended")]
    Busy(Bucket),
    /// An earlier move of the bucket was interrupted.
    #[error(
        "an earlier move of bucket {0} was interrupted; `rebalance` without a bucket completes it"
    )]
    Unsettled(Bucket),
    /// Changes arrive faster than the move applies them. The writers were not held back.
    #[error(
        "after {passes} passes, {changes} changes are still to be applied; move the bucket when \
         fewer orders arrive"
    )]
    TooFarBehind {
        /// How often all changes were applied.
        passes: u32,
        /// The changes that are left.
        changes: i64,
    },
    /// A transaction that has written to the bucket stays open.
    #[error(
        "a transaction that writes to bucket {bucket} stayed open during {attempts} attempts; \
         `pg_stat_activity` on the old shard shows it"
    )]
    LongTransaction {
        /// The bucket.
        bucket: Bucket,
        /// How often the move waited for it.
        attempts: u32,
    },
    /// Both shards would have different orders. The writers were held back, and continue.
    #[error("the copy of bucket {bucket} differs: {source_digest} and {target_digest}")]
    Different {
        /// The bucket.
        bucket: Bucket,
        /// Count and checksum on the old shard.
        source_digest: String,
        /// The same on the new shard.
        target_digest: String,
    },
    /// The writers were held back too long. They continue.
    #[error("the cut-over of bucket {0} took too long, because a shard is slow")]
    SlowCutOver(Bucket),
    /// The move failed, and cleaning up failed too. Requests for the bucket may get 503.
    #[error(
        "the move of bucket {bucket} failed ({}), and was left as it is ({}); the next `rebalance` \
         continues it, completes it or rolls it back",
        error_chain(first),
        error_chain(second)
    )]
    Interrupted {
        /// The bucket.
        bucket: Bucket,
        /// Why the move failed.
        first: Box<MoveError>,
        /// Why cleaning up failed.
        second: Box<MoveError>,
    },
    /// A database does not answer, or holds unexpected data.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A statement failed.
    #[error("a shard refused a statement of the move")]
    Database(#[from] Error),
    /// A test has ended the move at a fail point, as a crash would.
    #[error("killed by a test")]
    Killed,
}

impl MoveError {
    /// Whether a lock was not released within the server's `lock_timeout`.
    pub(super) fn is_lock_timeout(&self) -> bool {
        // 55P03: lock_not_available.
        matches!(self, MoveError::Database(Error::Database(error))
            if error.code().as_deref() == Some("55P03"))
    }

    pub(super) fn is_kill(&self) -> bool {
        matches!(self, MoveError::Killed)
    }
}
