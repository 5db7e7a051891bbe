//! Orders in several PostgreSQL databases, one per shard.
//!
//! Every method finds the shard from the customer's name or from the order's id and then asks only
//! that shard. So a failed shard affects only its own customers. Only the count asks all shards.
//!
//! Two checks prevent an order in the wrong shard: this file, and the database, where an order
//! needs the row of its bucket. Orders of one bucket wait for each other at that row, until the
//! commit of each is on disk.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};

use super::Orders;
use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::postgres::{QUERY_TIMEOUT, replace_nul, transact, with_timeout};
use crate::sharding::{Bucket, ShardId, ShardMap, bucket_of_customer, bucket_of_order, order_id};

const ORDER_COLUMNS: &str = "id, customer, game_id, quantity, total_cents, created_at";

/// Orders in one PostgreSQL database per shard.
pub struct PgOrders {
    map: ShardMap,
    shards: Vec<PgPool>,
}

impl PgOrders {
    /// Orders in these databases, in the order of the shards.
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
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let new = NewOrder {
            customer: replace_nul(&order.customer).into_owned(),
            idempotency_key: replace_nul(&order.idempotency_key).into_owned(),
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
                "the database of shard {shard} does not own bucket {bucket}; give the addresses of \
                 the shards in the order in which the store was filled"
            ))
        })
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let shard = &self.shards[self.shard_of_order(id)];
        let sql = format!("SELECT {ORDER_COLUMNS} FROM orders WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(shard);
        let row = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(row.as_ref().map(order_from_row).transpose()?)
    }

    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let shard = &self.shards[self.shard_of_customer(customer)];
        let sql = format!(
            "SELECT {ORDER_COLUMNS} FROM orders WHERE customer = $1 AND id < $2 \
             ORDER BY id DESC LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(replace_nul(customer))
            .bind(before.unwrap_or(OrderId::MAX))
            .bind(limit as i64)
            .fetch_all(shard);
        let rows = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(rows.iter().map(order_from_row).collect::<Result<_, _>>()?)
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let query = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(shard);
            let count: i64 = with_timeout(QUERY_TIMEOUT, query).await?;
            counts.push(count as u64);
        }
        Ok(counts)
    }

    fn shard_of_customer(&self, customer: &str) -> ShardId {
        self.map.owner(bucket_of_customer(&replace_nul(customer)))
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
) -> Result<Option<PlaceOutcome>, Error> {
    if let Some(outcome) = find_by_idempotency_key(db, &new).await? {
        return Ok(Some(outcome));
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
    // Two requests with the same key may both get here, because neither has written yet. The unique
    // constraint accepts one of them. The other finds that order, and its sequence number stays
    // unused.
    let sql = format!(
        "INSERT INTO orders \
         (id, customer, game_id, quantity, total_cents, created_at, idempotency_key) \
         VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6) \
         ON CONFLICT (customer, idempotency_key) DO NOTHING RETURNING {ORDER_COLUMNS}"
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
        Some(row) => Ok(Some(PlaceOutcome::Created(order_from_row(&row)?))),
        None => find_by_idempotency_key(db, &new).await,
    }
}

/// The outcome if this customer used the key before, else `None`.
async fn find_by_idempotency_key(
    db: &mut PgConnection,
    new: &NewOrder,
) -> Result<Option<PlaceOutcome>, Error> {
    let sql =
        format!("SELECT {ORDER_COLUMNS} FROM orders WHERE customer = $1 AND idempotency_key = $2");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_optional(db)
        .await?;
    let Some(earlier) = row.as_ref().map(order_from_row).transpose()? else {
        return Ok(None);
    };
    // The price is not compared. It may have changed, and the client did not send it.
    let is_same = (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity);
    Ok(Some(if is_same {
        PlaceOutcome::AlreadyPlaced(earlier)
    } else {
        PlaceOutcome::KeyReused
    }))
}

fn order_from_row(row: &PgRow) -> Result<Order, Error> {
    let quantity: i32 = row.try_get("quantity")?;
    Ok(Order {
        id: row.try_get("id")?,
        customer: row.try_get("customer")?,
        game_id: row.try_get("game_id")?,
        quantity: u32::try_from(quantity).map_err(|error| Error::Decode(error.into()))?,
        total_cents: row.try_get("total_cents")?,
        created_at: row.try_get("created_at")?,
    })
}
