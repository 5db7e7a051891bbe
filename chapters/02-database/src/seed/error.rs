//! Why a store cannot be filled or used.

use sqlx::Error;

use super::parameters::SeedMismatch;
use crate::model::StoreError;
use crate::sharding::ShardId;

/// Why a store cannot be filled or used.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The store was filled with other numbers.
    #[error("{0}; leave the flag out, or give the addresses of empty databases")]
    Mismatch(#[from] SeedMismatch),
    /// The database of a shard was filled as another shard.
    #[error(
        "expected the database of shard {shard} of {shards}, but it owns other buckets; give the \
         addresses of the shards in the order in which the store was filled"
    )]
    WrongShard {
        /// Counted from 0.
        shard: ShardId,
        /// The number of shards.
        shards: usize,
    },
    /// The database of a shard is empty, but the catalogue was filled.
    #[error(
        "the database of shard {shard} of {shards} is empty, but the store was filled; restore \
         that database from a backup, or correct its address"
    )]
    EmptyShard {
        /// Counted from 0.
        shard: ShardId,
        /// The number of shards.
        shards: usize,
    },
    /// The catalogue is empty, but a shard holds orders of customers.
    #[error(
        "the catalogue's database is empty, but shard {shard} holds orders of customers; restore \
         the catalogue from a backup, correct its address, or give empty databases for all shards"
    )]
    LostCatalog {
        /// The first shard with orders, counted from 0.
        shard: ShardId,
    },
    /// The orders of a store stay where they were filled: on shards, or on Citus.
    #[error("the orders of this store are {filled}, but the addresses are those of {given}")]
    OtherEngine {
        /// Where the store was filled.
        filled: &'static str,
        /// What the process was given.
        given: &'static str,
    },
    /// A database does not answer, or holds unexpected data.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for SeedError {
    fn from(error: Error) -> Self {
        SeedError::Store(error.into())
    }
}
