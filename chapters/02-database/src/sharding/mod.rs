//! Sharding: which database holds which customer's orders (customer → bucket → shard).
//!
//! A customer always belongs to the same one of 256 *buckets*. A small table, the [`ShardMap`],
//! names the shard that owns each bucket. With these two steps a new shard takes over whole buckets
//! and no customer changes bucket. `hash(customer) % shards` would move most customers as soon as
//! `shards` changes. Redis Cluster (16,384 slots) and Citus (32 shards by default, placed on nodes)
//! use the same two steps. All buckets on one server already are in this form: first logical
//! shards, later physical ones.
//!
//! # Tables
//!
//! * `shard_map` in the catalogue's primary: bucket → shard, epoch. Every clone reads it. It may
//!   be behind: it is a directory and not the authority.
//! * `buckets` in each shard: the buckets that it has, each with its state (`incoming`, `active`,
//!   `moved`), its epoch, and the sequence of its next order. These rows are the authority.
//! * `bucket_moves` and `order_changes` in each shard: the steps of the moves that leave it, and
//!   the changes that these moves must not miss.
//!
//! # Invariants
//!
//! 1. An order is in the bucket of its customer (a CHECK constraint).
//! 2. A new order is on a shard where its bucket is active (a foreign key and a trigger).
//! 3. A bucket is active on at most one shard. A move first ends the old shard's ownership, then
//!    begins that of the new shard with the next epoch, then changes the map.
//! 4. A shard answers only a clone whose map has the bucket's current epoch. Each statement of a
//!    clone compares the epoch in the same snapshot as the orders that it reads, or under the lock
//!    of the bucket's row. A refused clone reads the map again.
//! 5. An epoch only grows, in every table.
//!
//! # A move of a bucket
//!
//! The module [`rebalance`] moves a bucket. At its end, the move closes the bucket's *gate* (file
//! `gate.rs`) on the old shard, which waits for the writes in progress. With the gate closed, it
//! locks the old row (`FOR UPDATE`), copies what is missing together with `next` and the
//! idempotency keys, sets the old row to `moved`, the new row to `active`, changes the map, and
//! opens the gate. Writers that found the gate closed wait for this lock with one connection per
//! bucket, so the pool stays free for other buckets. Readers are not held up; between two steps
//! they are refused, wait at the same gate and read the map again.
//! A move sets `sharding.bucket_state` to `incoming` in its own transaction, because the trigger
//! of invariant 2 refuses every other writer.

mod bucket;
pub(crate) mod gate;
pub mod hashing;
mod inspect;
mod map_table;
mod order_id;
pub mod rebalance;
mod shard_map;

pub use bucket::{BUCKETS, Bucket, bucket_of_customer};
pub use gate::{close_gate, open_gate};
pub use inspect::{ShardReport, disagreements};
pub use map_table::{load_map, set_owner};
pub use order_id::{bucket_of_order, next_sequence, order_id, time_of_order};
pub use shard_map::{Epoch, FIRST_EPOCH, Owner, ShardId, ShardMap};

pub(crate) use map_table::insert_map;
pub(crate) use order_id::COUNTS_PER_MILLISECOND;
