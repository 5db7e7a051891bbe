//! Which shard keeps which customer's orders: customer → bucket → shard.
//!
//! A customer always falls into the same one of 256 *buckets*. A small table says which shard owns each bucket. Two steps instead
//! of one, because then a new shard takes over whole buckets, and no customer changes bucket. `hash(customer) % shards` would
//! send almost everybody somewhere else as soon as `shards` changes. The same two steps are in Redis Cluster (16,384
//! slots) and Citus (32 shards by default, placed on nodes).
//!
//! Left out: moving a bucket while orders pour in.

/// How many buckets there are. Fixed for the life of the data: an order's id has its bucket built in.
pub const BUCKETS: u16 = 256;

/// A bucket's number, 0 to 255.
pub type Bucket = u16;

/// A shard's number, counted from 0.
pub type ShardId = usize;

// ANCHOR: bucket
/// The bucket of a customer: FNV-1a over the name's bytes, modulo [`BUCKETS`].
///
/// The hash must never change between versions or machines, which rules out the standard library's `DefaultHasher`. FNV-1a is
/// five lines long and has published test vectors (<https://datatracker.ietf.org/doc/html/rfc9923>).
///
/// ```
/// assert_eq!(ch02_database::sharding::bucket_of_customer("ada"), ch02_database::sharding::bucket_of_customer("ada"));
/// ```
pub fn bucket_of_customer(customer: &str) -> Bucket {
    (fnv1a(customer.as_bytes()) % u64::from(BUCKETS)) as Bucket
}
// ANCHOR_END: bucket

/// The bucket of an order, read off its id.
///
/// ```
/// use ch02_database::sharding::{bucket_of_order, order_id};
/// assert_eq!(bucket_of_order(order_id(3, 17)), 17);
/// ```
pub fn bucket_of_order(id: i64) -> Bucket {
    id.rem_euclid(i64::from(BUCKETS)) as Bucket
}

/// The id of the `sequence`-th order (counted from 0) in `bucket`.
pub fn order_id(sequence: i64, bucket: Bucket) -> i64 {
    sequence * i64::from(BUCKETS) + i64::from(bucket)
}

/// Who owns each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    owner: Vec<ShardId>,
    shards: usize,
}

impl ShardMap {
    /// Deals the buckets out evenly: each shard gets a run of neighbouring buckets, and no two runs differ by more than one.
    ///
    /// # Panics
    /// If `shards` is 0 or more than [`BUCKETS`].
    pub fn even(shards: usize) -> Self {
        assert!(
            (1..=usize::from(BUCKETS)).contains(&shards),
            "between 1 and {BUCKETS} shards, not {shards}"
        );
        let owner = (0..usize::from(BUCKETS))
            .map(|bucket| bucket * shards / usize::from(BUCKETS))
            .collect();
        ShardMap { owner, shards }
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The shard that owns a bucket.
    pub fn owner(&self, bucket: Bucket) -> ShardId {
        self.owner[usize::from(bucket)]
    }

    /// How many buckets a shard owns.
    pub fn buckets_of(&self, shard: ShardId) -> usize {
        self.owner.iter().filter(|&&owner| owner == shard).count()
    }
}

/// The 64-bit FNV-1a hash: the same on every machine and in every version. Not for secrets, since anybody can construct two
/// texts with one hash.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
