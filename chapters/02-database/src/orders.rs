//! The seam behind which the orders' databases stand: [`Orders`].
//!
//! Before: one database. After: several shards, each with the orders of some of the customers. The trait speaks of
//! customers and ids alone; which shard that means is the business of [`ShardMap`](crate::ShardMap). Left out: queries over all
//! customers, which would have to ask every shard.

use async_trait::async_trait;

use crate::order::{NewOrder, Order, OrderId, Placed};
use crate::sharding::ShardId;
use crate::store::StoreError;

/// The orders of all customers.
#[async_trait]
pub trait Orders: Send + Sync + 'static {
    /// Writes the order, durably, unless this customer's idempotency key was used before. When this returns, the
    /// order survives a crash of the process.
    async fn place(&self, order: &NewOrder) -> Result<Placed, StoreError>;

    /// One order, from the shard that its id names.
    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError>;

    /// A customer's orders, newest first: at most `limit`, and only those with an id below `before`.
    async fn of_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError>;

    /// How many orders each shard holds, in the order of the shards.
    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError>;

    /// The shard that keeps this customer's orders. It becomes the response header `x-shard`.
    fn shard_of_customer(&self, customer: &str) -> ShardId;

    /// The shard that an order's id leads to.
    fn shard_of_order(&self, id: OrderId) -> ShardId;
}
