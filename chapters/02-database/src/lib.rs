//! Chapter 2: the store's data, and how it is spread over databases.
//!
//! This crate owns what the store *is about*: games with their reviews ([`game`]), orders ([`order`]), customers, and
//! a seeded generator that makes the same ten thousand games everywhere ([`generator`]). It owns the two seams behind
//! which a database can be replaced: [`Catalog`] and [`Orders`]. And it owns the rule that says which shard
//! keeps which customer's orders ([`sharding`]).
//!
//! Behind the seams stand real servers ([`postgres`]): a primary with replicas for the games, several shards for the orders. What
//! every implementation has to keep is written down as code ([`contract`]).
//!
//! Left out here: the single-machine version. One SQLite file for each database lives in `ch05-full`, so that this chapter can be
//! about PostgreSQL and nothing else.

pub mod catalog;
pub mod contract;
pub mod game;
pub mod generator;
pub mod order;
pub mod orders;
pub mod postgres;
pub mod sharding;
pub mod store;

pub use catalog::Catalog;
pub use game::{Game, GameId};
pub use order::{Order, OrderId};
pub use orders::Orders;
pub use postgres::{PgCatalog, PgOrders};
pub use sharding::{Bucket, ShardId, ShardMap};
pub use store::{Node, Read, StoreError};
