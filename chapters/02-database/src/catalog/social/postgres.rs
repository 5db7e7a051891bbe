//! Friends and activity in the catalogue's database.

use async_trait::async_trait;

use super::queries::{add_order_activity, select_activity, select_feed, select_friends};
use super::{ActivityKey, Social};
use crate::catalog::PgCatalog;
use crate::model::{Activity, Friend, Order, StoreError};
use crate::postgres::replace_nul;
use crate::replication::{Consistency, Read, Written};

#[async_trait]
impl Social for PgCatalog {
    async fn friends(
        &self,
        customer: &str,
        after: Option<&str>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Friend>>, StoreError> {
        let customer = &*replace_nul(customer);
        let after = &*replace_nul(after.unwrap_or_default());
        self.read(consistency, |server| {
            select_friends(server, customer, after, limit)
        })
        .await
    }

    async fn activity(
        &self,
        customer: &str,
        viewer: Option<&str>,
        before: Option<&ActivityKey>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let customer = &*replace_nul(customer);
        let viewer = viewer.map(replace_nul);
        let viewer = viewer.as_deref();
        self.read(consistency, |server| {
            select_activity(server, customer, viewer, before, limit)
        })
        .await
    }

    async fn friends_activity(
        &self,
        reader: &str,
        before: Option<&ActivityKey>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Read<Vec<Activity>>, StoreError> {
        let reader = &*replace_nul(reader);
        self.read(consistency, |server| {
            select_feed(server, reader, before, limit)
        })
        .await
    }

    async fn record_order(&self, order: &Order) -> Result<Written<()>, StoreError> {
        let order = Order {
            customer: replace_nul(&order.customer).into_owned(),
            ..order.clone()
        };
        self.write(move |db| Box::pin(async move { add_order_activity(db, &order).await }))
            .await
    }
}
