//! Orders in several SQLite databases, one for each shard.
//!
//! A method finds the shard by the customer's name or the order's id, and queries only that shard.
//! Only the queries across customers, and the count for `inspect` and `/metrics`, query all shards.

use async_trait::async_trait;
use ch02_database::model::{NewOrder, Order, OrderId, PlaceOutcome};
use ch02_database::orders::{Gathered, OrderFilter, OrderSort, OrderTotals, merge_first};
use ch02_database::seed::generator::SAMPLE_ORDERS;
use ch02_database::sharding::{self, BUCKETS, ShardId, ShardMap};
use ch02_database::{Orders, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::database::SqliteDatabase;
use super::timestamp;

/// The first sequence number of a bucket. The ids up to [`SAMPLE_ORDERS`] are sample orders.
const FIRST_SEQUENCE: i64 = SAMPLE_ORDERS / BUCKETS as i64 + 1;

/// Orders in one SQLite database for each shard.
pub struct SqliteOrders {
    map: ShardMap,
    shards: Vec<SqliteDatabase>,
}

impl SqliteOrders {
    /// Orders in these databases. The index of a database is its shard id.
    pub fn new(shards: Vec<SqliteDatabase>) -> Self {
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
            .write(move |connection| Box::pin(place(connection, bucket, new)))
            .await?
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
        return Ok(order(&row).map(|earlier| {
            // The price is not compared: the client did not send it, and it can change.
            if (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity) {
                PlaceOutcome::AlreadyPlaced(earlier)
            } else {
                PlaceOutcome::KeyReused
            }
        }));
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
         (id, customer, game_id, quantity, total_cents, created_at, idempotency_key) \
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING *",
    )
    .bind(sharding::order_id(sequence, bucket))
    .bind(new.customer)
    .bind(new.game_id)
    .bind(new.quantity)
    .bind(new.unit_price_cents * i64::from(new.quantity))
    .bind(timestamp::now())
    .bind(new.idempotency_key)
    .fetch_one(connection)
    .await?;
    Ok(order(&row).map(PlaceOutcome::Created))
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
