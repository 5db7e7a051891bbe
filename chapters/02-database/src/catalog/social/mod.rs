//! Friends and activity: the trait [`Social`].
//!
//! The activity of a customer is a copy of the customer's reviews and orders. A review is in the
//! same database, so its copy is written in the same transaction. An order is on the shard of its
//! customer, and no transaction spans two servers. The shard owns the order; the caller copies it
//! here after the commit, with [`Social::record_order`]. A crash in between loses the copy and
//! never the order. A retry with the same idempotency key writes the missing copy, and so does a
//! rebuild ([`denormalised`](crate::catalog::denormalised)).

mod key;
mod postgres;
mod queries;

use async_trait::async_trait;

pub use key::{ActivityKey, InvalidActivityKey};
pub(crate) use queries::{add_review_activity, delete_activity};

use crate::model::{Activity, Friend, Order, StoreError};
use crate::replication::{Consistency, Read, Written};

/// Friends and the activity of customers.
///
/// There is no table of customers: everybody who logs in is one. A name without friends or activity
/// has empty lists.
#[async_trait]
pub trait Social: Send + Sync + 'static {
    /// The friends of a customer, sorted by name: at most `limit`, and only names after `after`.
    async fn friends(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Friend>>, StoreError>;

    /// What a customer did, newest first: at most `limit`, and only what stands after `before` in
    /// the stream.
    ///
    /// Everybody sees reviews and sample orders. Other orders are returned only if `viewer` is the
    /// customer or a friend.
    async fn activity(
        &self,
        customer: &str,
        viewer: Option<&str>,
        before: Option<&ActivityKey>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError>;

    /// What all friends of `reader` did, newest first, with the same paging.
    async fn friends_activity(
        &self,
        reader: &str,
        before: Option<&ActivityKey>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError>;

    /// Copies a committed order into the stream of its customer. Copying it again does no harm.
    async fn record_order(&self, order: &Order) -> Result<Written<()>, StoreError>;
}
