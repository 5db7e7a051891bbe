//! Orders on several PostgreSQL databases, one a shard.
//!
//! Every method first finds the shard, from the customer's name or from the order's id, and then talks to that one alone: a shard that is
//! away is away for its own customers only. Only the count asks them all.
//!
//! The first guard against a misplaced order is this file; the second is the database, where an order needs the row of its bucket.
//!
//! Left out: replicas of the shards, since who reads an order has mostly just placed it. And orders of one bucket wait for each other, at
//! the row with its sequence, until the commit of each is on the disk.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Error};

use super::pool::{PATIENCE, within};
use super::rows::order;
use super::{storable, store_error, transact};
use crate::order::{NewOrder, Order, OrderId, Placed};
use crate::orders::Orders;
use crate::sharding::{Bucket, ShardId, ShardMap, bucket_of_customer, bucket_of_order, order_id};
use crate::store::StoreError;

const ORDER: &str = "id, customer, game_id, quantity, total_cents, created_at";

/// Orders in one PostgreSQL database a shard.
pub struct PgOrders {
    map: ShardMap,
    shards: Vec<PgPool>,
}

impl PgOrders {
    /// Orders spread over these databases, in the order of the shards.
    ///
    /// # Panics
    /// If there is no shard, or more than [`BUCKETS`](crate::sharding::BUCKETS).
    pub fn new(shards: Vec<PgPool>) -> Self {
        PgOrders {
            map: ShardMap::even(shards.len()),
            shards,
        }
    }
}

#[async_trait]
impl Orders for PgOrders {
    async fn place(&self, order: &NewOrder) -> Result<Placed, StoreError> {
        let new = NewOrder {
            customer: storable(&order.customer).into_owned(),
            idempotency_key: storable(&order.idempotency_key).into_owned(),
            ..order.clone()
        };
        let bucket = bucket_of_customer(&new.customer);
        let shard = self.map.owner(bucket);
        let placed = transact(&self.shards[shard], move |db| {
            Box::pin(place(db, bucket, new))
        })
        .await?;
        placed.ok_or_else(|| {
            StoreError::Corrupt(format!(
                "the database of shard {shard} does not own bucket {bucket}; are the shards' addresses in the order in which the \
                 store was filled?"
            ))
        })
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let shard = &self.shards[self.shard_of_order(id)];
        let row = sqlx::query(AssertSqlSafe(format!(
            "SELECT {ORDER} FROM orders WHERE id = $1"
        )))
        .bind(id)
        .fetch_optional(shard);
        let row = within(PATIENCE, row).await.map_err(store_error)?;
        row.as_ref().map(order).transpose().map_err(store_error)
    }

    async fn of_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let shard = &self.shards[self.shard_of_customer(customer)];
        let sql = format!(
            "SELECT {ORDER} FROM orders WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(storable(customer))
            .bind(before.unwrap_or(OrderId::MAX))
            .bind(limit as i64)
            .fetch_all(shard);
        let rows = within(PATIENCE, rows).await.map_err(store_error)?;
        rows.iter()
            .map(order)
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let count = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(shard);
            let count: i64 = within(PATIENCE, count).await.map_err(store_error)?;
            counts.push(count as u64);
        }
        Ok(counts)
    }

    fn shard_of_customer(&self, customer: &str) -> ShardId {
        self.map.owner(bucket_of_customer(&storable(customer)))
    }

    fn shard_of_order(&self, id: OrderId) -> ShardId {
        self.map.owner(bucket_of_order(id))
    }
}

/// Places an order inside a transaction. `None` if this shard does not own the bucket.
async fn place(
    db: &mut PgConnection,
    bucket: Bucket,
    new: NewOrder,
) -> Result<Option<Placed>, Error> {
    if let Some(earlier) = placed_before(db, &new).await? {
        return Ok(Some(earlier));
    }
    let sequence: Option<i64> = sqlx::query_scalar(
        "UPDATE bucket_sequences SET next = next + 1 WHERE bucket = $1 RETURNING next - 1",
    )
    .bind(i32::from(bucket))
    .fetch_optional(&mut *db)
    .await?;
    let Some(sequence) = sequence else {
        return Ok(None);
    };
    // The same key may come twice at once, and then both have looked before either has written. The unique constraint decides: whoever
    // loses finds the winner's order. That leaves a number unused, which an id may.
    let sql = format!(
        "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at, idempotency_key) \
         VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6) ON CONFLICT (customer, idempotency_key) DO NOTHING \
         RETURNING {ORDER}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(order_id(sequence, bucket))
        .bind(&new.customer)
        .bind(new.game_id)
        .bind(new.quantity as i32)
        .bind(new.unit_price_cents * i64::from(new.quantity))
        .bind(&new.idempotency_key)
        .fetch_optional(&mut *db)
        .await?;
    match row {
        Some(row) => Ok(Some(Placed::Created(order(&row)?))),
        None => placed_before(db, &new).await,
    }
}

/// What this customer has placed under this key before, if anything.
async fn placed_before(db: &mut PgConnection, new: &NewOrder) -> Result<Option<Placed>, Error> {
    let sql = format!("SELECT {ORDER} FROM orders WHERE customer = $1 AND idempotency_key = $2");
    let earlier = sqlx::query(AssertSqlSafe(sql))
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_optional(db)
        .await?;
    let Some(earlier) = earlier.as_ref().map(order).transpose()? else {
        return Ok(None);
    };
    // The price is not compared: it may have changed since, and the client did not send it.
    Ok(Some(
        if (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity) {
            Placed::Repeated(earlier)
        } else {
            Placed::KeyReused
        },
    ))
}
