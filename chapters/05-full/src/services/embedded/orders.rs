//! Orders in several SQLite databases, one for each shard.
//!
//! A method finds the shard by the customer's name or the order's id, and queries only that shard.
//! Only the queries across customers, and the count for `inspect` and `/metrics`, query all shards.

use std::sync::Arc;

use async_trait::async_trait;
use ch02_database::model::{NewOrder, Order, OrderId, PlaceOutcome};
use ch02_database::orders::{Gathered, OrderFilter, OrderSort, OrderTotals, merge_first};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::sharding::{self, BUCKETS, ShardId, ShardMap};
use ch02_database::{Orders, StoreError};
use sqlx::sqlite::{SqliteExecutor, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use tokio::sync::Mutex;

use super::database::SqliteDatabase;
use super::timestamp;

/// The first sequence number of a bucket. The ids up to [`SAMPLE_ORDERS`] are sample orders.
const FIRST_SEQUENCE: i64 = SAMPLE_ORDERS / BUCKETS as i64 + 1;

/// Orders in one SQLite database for each shard.
pub struct SqliteOrders {
    map: ShardMap,
    shards: Vec<SqliteDatabase>,
    /// Locked while an order with a payment is placed.
    payments: Arc<Mutex<()>>,
}

impl SqliteOrders {
    /// Orders in these databases. The index of a database is its shard id.
    pub fn new(shards: Vec<SqliteDatabase>) -> Self {
        SqliteOrders {
            map: ShardMap::even(shards.len()),
            shards,
            payments: Arc::default(),
        }
    }
}

#[async_trait]
impl Orders for SqliteOrders {
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let new = order.clone();
        let bucket = sharding::bucket_of_customer(&new.customer);
        let owner = self.map.owner(bucket);
        if new.payment_reference.is_none() {
            let shard = &self.shards[owner];
            return shard
                .write(move |connection| Box::pin(place(connection, bucket, new)))
                .await?;
        }
        // One process has all shards, so a lock and a look at each shard are enough. On its own
        // task, because the lock must outlive a caller that goes away before the commit.
        let (shards, payments) = (self.shards.clone(), Arc::clone(&self.payments));
        let placing = tokio::spawn(async move {
            let _one_at_a_time = payments.lock().await;
            for (number, shard) in shards.iter().enumerate() {
                if number != owner && is_paid(shard, &new).await? {
                    return Ok(PlaceOutcome::ReferenceUsed);
                }
            }
            shards[owner]
                .write(move |connection| Box::pin(place(connection, bucket, new)))
                .await?
        });
        placing.await.map_err(StoreError::unavailable)?
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let row = sqlx::query("SELECT * FROM orders WHERE id = ?")
            .bind(id)
            .fetch_optional(self.shards[self.shard_of_order(id)].readers())
            .await?;
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
        .await?;
        rows.iter().map(order).collect()
    }

    async fn search(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError> {
        let sort_columns = match sort {
            OrderSort::Newest => "id DESC",
            OrderSort::MostExpensive => "total_cents DESC, id DESC",
        };
        let sql = format!(
            "SELECT * FROM orders WHERE (?1 IS NULL OR game_id = ?1) \
             AND (?2 IS NULL OR total_cents >= ?2) AND id < ?3 ORDER BY {sort_columns} LIMIT ?4"
        );
        let mut parts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let rows = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(filter.game_id)
                .bind(filter.min_total_cents)
                .bind(before.unwrap_or(i64::MAX))
                .bind(limit as i64)
                .fetch_all(shard.readers())
                .await?;
            parts.push(rows.iter().map(order).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Gathered::complete(merge_first(parts, sort, limit)))
    }

    async fn totals(&self, filter: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError> {
        let mut parts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let (count, sum_cents): (i64, i64) = sqlx::query_as(
                "SELECT count(*), coalesce(sum(total_cents), 0) FROM orders \
                 WHERE (?1 IS NULL OR game_id = ?1) AND (?2 IS NULL OR total_cents >= ?2)",
            )
            .bind(filter.game_id)
            .bind(filter.min_total_cents)
            .fetch_one(shard.readers())
            .await?;
            let count = count as u64;
            parts.push(OrderTotals { count, sum_cents });
        }
        Ok(Gathered::complete(OrderTotals::merge(parts)))
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(self.shards.len());
        for shard in &self.shards {
            let count: i64 = sqlx::query_scalar("SELECT count(*) FROM orders")
                .fetch_one(shard.readers())
                .await?;
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

/// Places an order. Runs in a transaction, so the idempotency key is checked and inserted
/// atomically.
async fn place(
    connection: &mut SqliteConnection,
    bucket: sharding::Bucket,
    new: NewOrder,
) -> Result<Result<PlaceOutcome, StoreError>, sqlx::Error> {
    let earlier = sqlx::query("SELECT * FROM orders WHERE customer = ? AND idempotency_key = ?")
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = earlier {
        let reference: Option<String> = row.get("payment_reference");
        return Ok(order(&row).map(|earlier| {
            // The price is not compared: the client did not send it, and it can change.
            if (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity)
                && reference == new.payment_reference
            {
                PlaceOutcome::AlreadyPlaced(earlier)
            } else {
                PlaceOutcome::KeyReused
            }
        }));
    }
    if has_payment(&mut *connection, &new).await? {
        return Ok(Ok(PlaceOutcome::ReferenceUsed));
    }
    let sequence: i64 = sqlx::query_scalar(
        "INSERT INTO bucket_sequences (bucket, next) VALUES (?1, ?2 + 1) \
         ON CONFLICT (bucket) DO UPDATE SET next = max(next, ?2) + 1 RETURNING next - 1",
    )
    .bind(bucket)
    .bind(sharding::next_sequence(FIRST_SEQUENCE, chrono::Utc::now()))
    .fetch_one(&mut *connection)
    .await?;
    let row = sqlx::query(
        "INSERT INTO orders \
         (id, customer, game_id, quantity, total_cents, created_at, idempotency_key, \
          payment_reference) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
    )
    .bind(sharding::order_id(sequence, bucket))
    .bind(new.customer)
    .bind(new.game_id)
    .bind(new.quantity)
    .bind(new.unit_price_cents * i64::from(new.quantity))
    .bind(timestamp::now())
    .bind(new.idempotency_key)
    .bind(new.payment_reference)
    .fetch_one(connection)
    .await?;
    Ok(order(&row).map(PlaceOutcome::Created))
}

/// Whether an order of this shard has the payment.
async fn is_paid(shard: &SqliteDatabase, new: &NewOrder) -> Result<bool, StoreError> {
    Ok(has_payment(shard.readers(), new).await?)
}

async fn has_payment(db: impl SqliteExecutor<'_>, new: &NewOrder) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM orders WHERE payment_reference = ?)")
        .bind(&new.payment_reference)
        .fetch_one(db)
        .await
}

/// All orders of one shard, to copy them into the activity of their customers.
pub(super) async fn all_orders(shard: &SqliteDatabase) -> Result<Vec<Order>, StoreError> {
    let rows = sqlx::query("SELECT * FROM orders ORDER BY id")
        .fetch_all(shard.readers())
        .await?;
    rows.iter().map(order).collect()
}

fn order(row: &SqliteRow) -> Result<Order, StoreError> {
    Ok(Order {
        id: row.get("id"),
        customer: row.get("customer"),
        game_id: row.get("game_id"),
        quantity: row.get("quantity"),
        total_cents: row.get("total_cents"),
        created_at: timestamp::read(row, "created_at")?,
    })
}
