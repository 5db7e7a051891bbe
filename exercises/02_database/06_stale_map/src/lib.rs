//! # A stale shard map
//!
//! Every clone of the store keeps the shard map in memory: which shard owns which bucket. At night
//! an operator moves bucket 7 from shard 0 to shard 1. One clone does not notice, and for an hour
//! it writes the orders of bucket 7 to shard 0. The customers do not see these orders, because the
//! other clones look for them on shard 1.
//!
//! The clone cannot know that its map is old. The shard can: it knows which buckets it owns, and
//! since which change of the map. This is the bucket's *epoch*, a number that grows each time the
//! bucket gets another owner. So a request names the epoch of the bucket, and the shard refuses
//! every request that does not fit. The clone then loads the map and tries again.
//!
//! ## Rules
//!
//! 1. A shard stores an order only if it owns the bucket, and with exactly the epoch that the
//!    request names. Otherwise it returns [`InsertError::StaleMap`] and stores nothing.
//! 2. A client sends an order to the owner of its bucket, with the epoch of this bucket, both from
//!    the client's map. It loads no map before a shard has refused an order: otherwise each order
//!    costs two requests, and the directory is the new bottleneck.
//! 3. After a refusal, the client loads the map and tries again with the owner in the new map.
//! 4. An order is tried at most [`MAX_ATTEMPTS`] times. If all of these are refused, the result is
//!    [`PlaceError::NoOwner`]. Then something is wrong that more requests would make worse.
//! 5. The client keeps what it has loaded for later orders.
//! 6. The directory that the map is loaded from may be behind. So a bucket's entry in the client's
//!    map is never replaced by one with a lower epoch.
//! 7. Only a refusal is tried again. After [`InsertError::NoAnswer`] the order may be stored or
//!    not, and a second attempt could store it twice. The result is [`PlaceError::Unknown`].
//!
//! ## Predict
//!
//! A client checks its map against the directory before each order, and sends the order only if the
//! map is up to date. The shards check nothing. Can an order still get to a shard that does not own
//! its bucket?
//!
//! ## What to do
//!
//! Write [`Shard::insert`] and [`Client::place`]: about 30 lines together. `cargo workshop check
//! stale_map` runs the tests. They fail now; that is expected.
//!
//! Left out: the transaction in which a real shard checks and stores, and waiting while a bucket is
//! on its way. Chapter 2 has both, in `chapters/02-database/src/orders/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::collections::HashMap;

/// How often a client tries an order.
pub const MAX_ATTEMPTS: usize = 3;

/// A bucket's number.
pub type Bucket = u16;

/// A shard's number.
pub type ShardId = usize;

/// How often a bucket has changed its owner. Each bucket has its own epoch.
pub type Epoch = u64;

/// Which shard owns a bucket, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The shard.
    pub shard: ShardId,
    /// The epoch of the bucket.
    pub epoch: Epoch,
}

/// The owner of each bucket. Every map has an entry for each bucket.
pub type ShardMap = HashMap<Bucket, Owner>;

/// An order of a customer in `bucket`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's number.
    pub id: u64,
    /// The customer's bucket.
    pub bucket: Bucket,
}

/// Why an order was not stored, as a shard or the network says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The shard does not own the bucket with this epoch. It has stored nothing.
    #[error("the shard does not own this bucket with this epoch; load the map again")]
    StaleMap,
    /// The connection was lost before the answer. The order may be stored or not.
    #[error("the shard did not answer; the order may be stored or not")]
    NoAnswer,
}

/// Why an order was not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Each shard that the map named refused the order. It is stored nowhere. This becomes 503.
    #[error("no shard accepts this bucket; is a move of the bucket unfinished?")]
    NoOwner,
    /// The order may be stored or not.
    #[error("a shard did not answer; ask whether the order exists before you repeat it")]
    Unknown,
}

/// A shard: a database with the orders of some buckets.
#[derive(Debug, Default)]
pub struct Shard {
    /// The buckets that this shard owns now, each with its epoch.
    owned: HashMap<Bucket, Epoch>,
    orders: Vec<Order>,
}

impl Shard {
    /// Makes this shard the owner of a bucket.
    pub fn give(&mut self, bucket: Bucket, epoch: Epoch) {
        self.owned.insert(bucket, epoch);
    }

    /// Takes a bucket away from this shard.
    pub fn take(&mut self, bucket: Bucket) {
        self.owned.remove(&bucket);
    }

    /// The orders that this shard has stored.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// Stores an order. `epoch` is the epoch of the bucket that the client knows.
    pub fn insert(&mut self, order: Order, epoch: Epoch) -> Result<(), InsertError> {
        todo!("store the order, or refuse it if the client's map is not the one of this shard")
    }
}

/// What a client can reach through the network.
pub trait Network {
    /// Sends an order to a shard, which calls [`Shard::insert`].
    fn insert(&self, shard: ShardId, order: Order, epoch: Epoch) -> Result<(), InsertError>;

    /// Asks the directory for the map. The directory may be behind the shards.
    fn load_map(&self) -> ShardMap;
}

/// The part of a clone that sends orders to shards.
pub struct Client<N> {
    network: N,
    map: ShardMap,
}

impl<N: Network> Client<N> {
    /// A client with this map.
    pub fn new(network: N, map: ShardMap) -> Self {
        Client { network, map }
    }

    /// Stores an order on the shard that owns its bucket.
    pub fn place(&mut self, order: Order) -> Result<(), PlaceError> {
        todo!(
            "send the order to its owner; after a refusal, load the map and try again, not for ever"
        )
    }
}
