// Wrong: the client tries once more after a refusal, and no more.
// Says: do you give up too early?
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::HashMap;

pub const MAX_ATTEMPTS: usize = 3;

pub type Bucket = u16;

pub type ShardId = usize;

pub type Epoch = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub shard: ShardId,
    pub epoch: Epoch,
}

pub type ShardMap = HashMap<Bucket, Owner>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: u64,
    pub bucket: Bucket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    #[error("the shard does not own this bucket with this epoch; load the map again")]
    StaleMap,
    #[error("the shard did not answer; the order may be stored or not")]
    NoAnswer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("no shard accepts this bucket; is a move of the bucket unfinished?")]
    NoOwner,
    #[error("a shard did not answer; ask whether the order exists before you repeat it")]
    Unknown,
}

#[derive(Debug, Default)]
pub struct Shard {
    owned: HashMap<Bucket, Epoch>,
    orders: Vec<Order>,
}

impl Shard {
    pub fn give(&mut self, bucket: Bucket, epoch: Epoch) {
        self.owned.insert(bucket, epoch);
    }

    pub fn take(&mut self, bucket: Bucket) {
        self.owned.remove(&bucket);
    }

    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    pub fn insert(&mut self, order: Order, epoch: Epoch) -> Result<(), InsertError> {
        if self.owned.get(&order.bucket) != Some(&epoch) {
            return Err(InsertError::StaleMap);
        }
        self.orders.push(order);
        Ok(())
    }
}

pub trait Network {
    fn insert(&self, shard: ShardId, order: Order, epoch: Epoch) -> Result<(), InsertError>;

    fn load_map(&self) -> ShardMap;
}

pub struct Client<N> {
    network: N,
    map: ShardMap,
}

impl<N: Network> Client<N> {
    pub fn new(network: N, map: ShardMap) -> Self {
        Client { network, map }
    }

    pub fn place(&mut self, order: Order) -> Result<(), PlaceError> {
        for attempt in 1..MAX_ATTEMPTS {
            let owner = self.map[&order.bucket];
            match self.network.insert(owner.shard, order, owner.epoch) {
                Ok(()) => return Ok(()),
                Err(InsertError::NoAnswer) => return Err(PlaceError::Unknown),
                Err(InsertError::StaleMap) if attempt < MAX_ATTEMPTS => self.reload(),
                Err(InsertError::StaleMap) => {}
            }
        }
        Err(PlaceError::NoOwner)
    }

    fn reload(&mut self) {
        for (bucket, loaded) in self.network.load_map() {
            let known = self.map.entry(bucket).or_insert(loaded);
            if loaded.epoch > known.epoch {
                *known = loaded;
            }
        }
    }
}
