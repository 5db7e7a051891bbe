//! Orders: the trait [`Orders`], and [`PgOrders`] on several PostgreSQL shards.
//!
//! The trait knows only customers and ids. The [`ShardMap`](crate::ShardMap) decides which shard
//! holds an order. [`UniqueOrders`] makes a payment reference unique across all shards.

mod claims;
pub mod engines;
mod gather;
mod postgres;
mod routing;
mod scatter;

use async_trait::async_trait;

pub use claims::{Claim, Claimed, UniqueOrders};
pub use gather::{Gathered, OrderFilter, OrderSort, OrderTotals, merge_first};
pub use postgres::{PgOrders, TooLate};

use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::sharding::ShardId;

/// The orders of all customers.
#[async_trait]
pub trait Orders: Send + Sync + 'static {
    /// Writes the order, unless this customer used the idempotency key before. The order is durable
    /// when this returns.
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError>;

    /// One order, from the shard that its id names.
    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// A customer's orders, newest first: at most `limit`, and only those with an id below
    /// `before`.
    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError>;

    /// Orders of all customers, at most `limit`, and only those with an id below `before`. The next
    /// page of [`OrderSort::Newest`] begins before the last id: *paging by key*. All shards are
    /// asked.
    async fn search(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError>;

    /// The number of orders of all customers, their sum and their average. All shards are asked.
    async fn totals(&self, filter: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError>;

    /// The number of orders of each shard, in the order of the shards.
    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError>;

    /// The shard that holds this customer's orders. Becomes the response header `x-shard`.
    fn shard_of_customer(&self, customer: &str) -> ShardId;

    /// The shard that an order's id names.
    fn shard_of_order(&self, id: OrderId) -> ShardId;
}
