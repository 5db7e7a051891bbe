//! The databases of a store whose buckets move.

use sqlx::postgres::PgPool;

use super::super::bucket::Bucket;
use super::super::map_table::load_map;
use super::super::shard_map::{ShardId, ShardMap};
use super::error::MoveError;
use super::limits::MoveLimits;
use super::source::Source;

pub(super) struct Store {
    pub(super) catalog: PgPool,
    pub(super) shards: Vec<PgPool>,
    pub(super) limits: MoveLimits,
}

impl Store {
    /// The pool of a shard.
    pub(super) fn shard(&self, shard: ShardId) -> Result<&PgPool, MoveError> {
        self.shards.get(shard).ok_or(MoveError::UnknownShard {
            shard,
            known: self.shards.len(),
        })
    }

    /// The shard map, as the catalogue has it now.
    pub(super) async fn map(&self) -> Result<ShardMap, MoveError> {
        load_map(&self.catalog).await?.ok_or(MoveError::NoMap)
    }

    /// A connection to the shard that a bucket leaves, with the lock of the bucket's mover.
    pub(super) async fn lock(&self, from: ShardId, bucket: Bucket) -> Result<Source, MoveError> {
        Source::lock(self.shard(from)?, bucket, &self.limits).await
    }
}
