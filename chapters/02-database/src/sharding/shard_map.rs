//! The table that names the shard of each bucket.

use super::bucket::{BUCKETS, Bucket};

/// A shard's number, counted from 0.
pub type ShardId = usize;

/// Which shard owns each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    owners: Vec<ShardId>,
    shards: usize,
}

impl ShardMap {
    /// Distributes the buckets evenly. Each shard gets consecutive buckets, and the numbers of
    /// buckets of two shards differ by at most one.
    ///
    /// # Panics
    /// If `shards` is 0 or more than [`BUCKETS`].
    pub fn even(shards: usize) -> Self {
        assert!(
            (1..=usize::from(BUCKETS)).contains(&shards),
            "expected 1 to {BUCKETS} shards, got {shards}"
        );
        let owners = (0..usize::from(BUCKETS))
            .map(|bucket| bucket * shards / usize::from(BUCKETS))
            .collect();
        ShardMap { owners, shards }
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The shard that owns a bucket.
    pub fn owner(&self, bucket: Bucket) -> ShardId {
        self.owners[usize::from(bucket)]
    }

    /// The buckets that a shard owns, in ascending order.
    pub fn buckets_of(&self, shard: ShardId) -> impl Iterator<Item = Bucket> + '_ {
        (0..BUCKETS).filter(move |bucket| self.owner(*bucket) == shard)
    }
}
