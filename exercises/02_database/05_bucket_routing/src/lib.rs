//! # Routing by bucket
//!
//! One database has all orders, and it is full. With four databases, the *shards*, each customer's
//! orders are on one of them. A first version computes the shard as `hash(customer) % 4`. It works
//! until the fifth shard comes: `hash(customer) % 5` is another shard for nearly every customer.
//!
//! So two steps replace the one. A customer belongs to one of 256 *buckets*, for ever. A table, the
//! *shard map*, says which shard owns each bucket, and only the table changes. An order's id
//! contains its bucket, so the order is found from its id alone.
//!
//! ## Rules
//!
//! 1. The bucket of a customer is the [`fnv1a`] hash of the name's bytes modulo [`BUCKETS`], on
//!    every machine and in every version of the program.
//! 2. An order's id contains the bucket: [`bucket_of_order`] finds it in the id alone, for every
//!    bucket and every sequence number up to 2⁴⁵ − 1. An id is less than 2⁵³, because
//!    JavaScript reads only such numbers exactly.
//! 3. Ids sort by their sequence numbers, whatever their buckets are. A sequence number contains
//!    the time, so newer orders have greater ids on all shards.
//! 4. The shard of a customer, and of an order, is the owner of its bucket in the map. Nothing else
//!    decides it.
//! 5. A new shard gets 256 / *n* buckets, rounded down, where *n* counts the new shard too. Each
//!    bucket comes from a shard that owns the most at this moment. So if no shard owned two buckets
//!    more than another one before, none does afterwards.
//! 6. Only buckets that the new shard gets change their owner. [`ShardMap::add_shard`] returns
//!    exactly these.
//!
//! ## Predict
//!
//! A store has four shards, and a fifth one comes. How many of 1,000 orders change their shard with
//! `hash % shards`? How many with 256 buckets, if you distribute them anew with [`ShardMap::even`]?
//! And how many if you move as few buckets as possible?
//!
//! ## What to do
//!
//! Write [`bucket_of_customer`], [`order_id`], [`bucket_of_order`], and three methods of
//! [`ShardMap`]: about 25 lines together. `cargo workshop check bucket_routing` runs the tests.
//! They fail now; that is expected.
//!
//! Left out: moving the orders of the buckets (the page *Moving a bucket*), and clones with an old
//! map (`stale_map`). Chapter 2 has both, in `chapters/02-database/src/sharding/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

/// The number of buckets. It never changes, because every order's id contains its bucket.
pub const BUCKETS: u16 = 256;

/// A bucket's number, 0 to 255.
pub type Bucket = u16;

/// A shard's number, counted from 0.
pub type ShardId = usize;

/// The hash FNV-1a with 64 bits (RFC 9923).
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The bucket of a customer.
pub fn bucket_of_customer(customer: &str) -> Bucket {
    todo!("compute the bucket from the hash of the name; `Bucket::try_from` converts a number")
}

/// The id of the order with this sequence number (0 to 2⁴⁵ − 1) in `bucket`.
pub fn order_id(sequence: i64, bucket: Bucket) -> i64 {
    todo!("combine both numbers so that ids sort by the sequence number, and the bucket is found")
}

/// The bucket of the order with this id.
pub fn bucket_of_order(id: i64) -> Bucket {
    todo!("return the bucket that `order_id` has put into the id")
}

/// Which shard owns each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMap {
    /// The owner of each bucket, 256 entries.
    owners: Vec<ShardId>,
    /// The number of shards. Some of them may own no bucket.
    shards: usize,
}

impl ShardMap {
    /// Gives each shard the same number of consecutive buckets, or one more.
    pub fn even(shards: usize) -> Self {
        let buckets = usize::from(BUCKETS);
        let owners = (0..buckets).map(|bucket| bucket * shards / buckets);
        ShardMap {
            owners: owners.collect(),
            shards,
        }
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.shards
    }

    /// The shard that owns a bucket.
    pub fn owner(&self, bucket: Bucket) -> ShardId {
        self.owners[usize::from(bucket)]
    }

    /// Makes this shard the owner of a bucket.
    pub fn set_owner(&mut self, bucket: Bucket, shard: ShardId) {
        self.owners[usize::from(bucket)] = shard;
    }

    /// The shard with this customer's orders.
    pub fn shard_of_customer(&self, customer: &str) -> ShardId {
        todo!("return the owner of the customer's bucket")
    }

    /// The shard with this order.
    pub fn shard_of_order(&self, id: i64) -> ShardId {
        todo!("return the owner of the order's bucket")
    }

    /// Adds a shard, and gives it buckets. Returns the buckets that it got, in any order.
    pub fn add_shard(&mut self) -> Vec<Bucket> {
        todo!("give the new shard its share, one bucket after the other, each from a fullest shard")
    }
}
