//! Orders over several SQLite files, one a shard.
//!
//! Every method first finds the shard, from the customer's name or from the order's id, and then talks to that one alone. Only the
//! count for `inspect` asks them all.

use async_trait::async_trait;
use ch02_database::model::{NewOrder, Order, OrderId, PlaceOutcome};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::sharding::{self, BUCKETS, ShardId, ShardMap};
use ch02_database::{Orders, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::catalog::{now, time};
use super::db::Db;

/// Sample orders have the ids up to [`SAMPLE_ORDERS`], so in every bucket real orders begin after them.
const FIRST_SEQUENCE: i64 = SAMPLE_ORDERS / BUCKETS as i64 + 1;

/// Orders in one SQLite database a shard.
pub struct SqliteOrders {
    map: ShardMap,
    shards: Vec<Db>,
}

impl SqliteOrders {
    /// Orders spread over these databases, in the order of the shards.
    pub fn new(shards: Vec<Db>) -> Self {
        SqliteOrders {
            map: ShardMap::even(shards.len()),
            shards,
        }
    }
}

#[async_trait]
impl Orders for SqliteOrders {
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let new = order.clone();
        let bucket = sharding::bucket_of_customer(&new.customer);
        self.shards[self.map.owner(bucket)]
            .write(move |db| Box::pin(place(db, bucket, new)))
            .await?
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query("SELECT * FROM orders WHERE id = ?")
            .bind(id)
            .fetch_optional(self.shards[self.shard_of_order(id)].readers())
            .await
            .map_err(StoreError::unavailable)?;
        row.as_ref().map(order).transpose()
    }

    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM orders WHERE customer = ? AND id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(customer)
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit as i64)
        .fetch_all(self.shards[self.shard_of_customer(customer)].readers())
        .await
        .map_err(StoreError::unavailable)?;
        rows.iter().map(order).collect()
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders")
                .fetch_one(shard.readers())
                .await
                .map_err(StoreError::unavailable)?;
            counts.push(count as u64);
        }
        Ok(counts)
    }

    fn shard_of_customer(&self, customer: &str) -> ShardId {
        self.map.owner(sharding::bucket_of_customer(customer))
    }

    fn shard_of_order(&self, id: OrderId) -> ShardId {
        self.map.owner(sharding::bucket_of_order(id))
    }
}

/// Places an order inside a transaction: the look for the key and the insert see the same state.
async fn place(
    db: &mut SqliteConnection,
    bucket: sharding::Bucket,
    new: NewOrder,
) -> Result<Result<PlaceOutcome, StoreError>, sqlx::Error> {
    let earlier = sqlx::query("SELECT * FROM orders WHERE customer = ? AND idempotency_key = ?")
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = earlier {
        return Ok(order(&row).map(|earlier| {
            // The price is not compared: it may have changed since, and the client did not send it.
            if (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity) {
                PlaceOutcome::AlreadyPlaced(earlier)
            } else {
                PlaceOutcome::KeyReused
            }
        }));
    }
    let sequence: i64 = sqlx::query_scalar(
        "INSERT INTO bucket_sequences (bucket, next) VALUES (?1, ?2 + 1) \
         ON CONFLICT (bucket) DO UPDATE SET next = next + 1 RETURNING next - 1",
    )
    .bind(bucket)
    .bind(FIRST_SEQUENCE)
    .fetch_one(&mut *db)
    .await?;
    let row = sqlx::query(
        "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at, idempotency_key) \
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
    )
    .bind(sharding::order_id(sequence, bucket))
    .bind(new.customer)
    .bind(new.game_id)
    .bind(new.quantity)
    .bind(new.unit_price_cents * i64::from(new.quantity))
    .bind(now())
    .bind(new.idempotency_key)
    .fetch_one(db)
    .await?;
    Ok(order(&row).map(PlaceOutcome::Created))
}

fn order(row: &SqliteRow) -> Result<Order, StoreError> {
    Ok(Order {
        id: row.get("id"),
        customer: row.get("customer"),
        game_id: row.get("game_id"),
        quantity: row.get("quantity"),
        total_cents: row.get("total_cents"),
        created_at: time(row, "created_at")?,
    })
}
