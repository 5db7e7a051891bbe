//! The table that names the owner of each bucket, in memory.

use super::bucket::{BUCKETS, Bucket};

/// A shard's number, counted from 0.
pub type ShardId = usize;

/// The number of a change of the shard map. A bucket keeps the epoch of its last move.
pub type Epoch = i64;

/// The epoch of every bucket in a new store.
pub const FIRST_EPOCH: Epoch = 1;

/// The shard that owns a bucket, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owning shard.
    pub shard: ShardId,
    /// The epoch of the bucket's last move. The shard refuses a clone that knows another epoch.
    pub epoch: Epoch,
}

/// Which shard owns each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    owners: Vec<Owner>,
}

impl ShardMap {
    /// Distributes the buckets evenly. Each shard gets consecutive buckets, and the numbers of
    /// buckets of two shards differ by at most one.
    ///
    /// # Panics
    /// If `shards` is 0 or more than [`BUCKETS`].
    pub fn even(shards: usize) -> Self {
        check_number(shards);
        ShardMap::from_fn(|bucket| usize::from(bucket) * shards / usize::from(BUCKETS))
    }

    /// The naive map, which no table can change: `bucket % shards`. One more shard moves four of
    /// five buckets.
    ///
    /// # Panics
    /// If `shards` is 0 or more than [`BUCKETS`].
    pub fn modulo(shards: usize) -> Self {
        check_number(shards);
        ShardMap::from_fn(|bucket| usize::from(bucket) % shards)
    }

    /// A map with these owners, in the order of the buckets. `None` if a bucket is missing.
    pub fn from_owners(owners: Vec<Owner>) -> Option<Self> {
        (owners.len() == usize::from(BUCKETS)).then_some(ShardMap { owners })
    }

    fn from_fn(shard: impl Fn(Bucket) -> ShardId) -> Self {
        let owner = |bucket| Owner {
            shard: shard(bucket),
            epoch: FIRST_EPOCH,
        };
        ShardMap {
            owners: (0..BUCKETS).map(owner).collect(),
        }
    }

    /// The number of shards that the map needs: the highest shard number plus one.
    pub fn shards(&self) -> usize {
        let highest = self.owners.iter().map(|owner| owner.shard).max();
        highest.map_or(0, |shard| shard + 1)
    }

    /// The shard that owns a bucket.
    pub fn owner(&self, bucket: Bucket) -> ShardId {
        self.entry(bucket).shard
    }

    /// The shard that owns a bucket, with the epoch.
    pub fn entry(&self, bucket: Bucket) -> Owner {
        self.owners[usize::from(bucket)]
    }

    /// The epoch of the map: that of the last move of any bucket. The next move takes the next
    /// number.
    pub fn epoch(&self) -> Epoch {
        let highest = self.owners.iter().map(|owner| owner.epoch).max();
        highest.unwrap_or(FIRST_EPOCH)
    }

    /// The buckets that a shard owns, in ascending order.
    pub fn buckets_of(&self, shard: ShardId) -> impl Iterator<Item = Bucket> + '_ {
        (0..BUCKETS).filter(move |bucket| self.owner(*bucket) == shard)
    }
}

fn check_number(shards: usize) {
    assert!(
        (1..=usize::from(BUCKETS)).contains(&shards),
        "expected 1 to {BUCKETS} shards, got {shards}"
    );
}
