//! Chapter 2: the store's data, and how it is spread over several databases.
//!
//! Four traits hide the databases from the rest of the workshop: [`Catalog`] (games and reviews),
//! [`Social`] (friends and activity), [`News`] and [`Orders`]. Each has an implementation on
//! PostgreSQL servers and a contract that every implementation must pass.
//!
//! | module | technique |
//! |---|---|
//! | [`model`] | games, reviews, orders and the error of every store |
//! | [`catalog`] | reads from replicas, joins in the application, denormalised ratings |
//! | [`orders`] | idempotent orders on several shards, queries and uniqueness across all |
//! | [`replication`] | which replica may answer a read |
//! | [`failover`] | a new primary, and no confirmed write lost |
//! | [`sharding`] | customer → bucket → shard, the map with epochs, ids |
//! | [`postgres`] | connections, time limits, transactions, migrations |
//! | [`naive`] | the naive versions, by name |
//! | [`seed`] | the seeded generator, and filling empty databases |
//! | [`contract`] | tests for every implementation of the four traits |
//!
//! Left out:
//! * The single-machine version: one SQLite file per database. Chapter 5 has it.
//! * Fail-over of the whole store: [`PgCatalog::open_cluster`] follows one, but chapter 5 does not
//!   use it yet, and the orders' shard map and the jobs stay on one primary.
//! * Moves that follow the load: the plan of `rebalance` counts buckets, not their orders.
//! * Replicas of the shards.
//! * Deleting games; payment, cancellation and orders of several games.
//! * Retries after a deadlock or a serialisation failure (SQLSTATE 40P01, 40001). Neither can
//!   occur, because all transactions use the default isolation level and lock in the same order.
//! * Migrations of tables in use: one that locks a large table for minutes blocks the store.
//! * Flags for the time limits, and poolers such as `PgBouncer`, which reject settings that come
//!   with the connection.
//! * Making and ending friendships: the generator does it once.
//! * Launch events in the generator.

pub mod catalog;
pub mod contract;
pub mod failover;
pub mod model;
pub mod naive;
pub mod orders;
pub mod postgres;
pub mod replication;
pub mod seed;
pub mod sharding;

pub use catalog::{Catalog, News, PgCatalog, Social};
pub use model::{Game, GameId, Order, OrderId, StoreError};
pub use naive::Naive;
pub use orders::engines::citus::CitusOrders;
pub use orders::{Orders, PgOrders};
pub use replication::{Consistency, ConsistencyToken, Node, Read, Written};
pub use sharding::{Bucket, ShardId, ShardMap};
