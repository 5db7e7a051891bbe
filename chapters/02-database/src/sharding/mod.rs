//! Sharding: which database holds which customer's orders (customer → bucket → shard).
//!
//! A customer always belongs to the same one of 256 *buckets*. A small table, the [`ShardMap`],
//! names the shard that owns each bucket. With these two steps a new shard takes over whole buckets
//! and no customer changes bucket. `hash(customer) % shards` would move most customers as soon as
//! `shards` changes. Redis Cluster (16,384 slots) and Citus (32 shards by default, placed on nodes)
//! use the same two steps.

mod bucket;
mod shard_map;

pub use bucket::{BUCKETS, Bucket, bucket_of_customer, bucket_of_order, order_id};
pub use shard_map::{ShardId, ShardMap};
