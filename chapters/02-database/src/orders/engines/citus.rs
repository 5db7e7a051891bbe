//! Orders on a Citus coordinator: the extension Citus routes, and the store sees one database.
//!
//! Citus divides the table `orders` into shards by the hash of the customer's name, and places the
//! shards on worker servers. A statement with `customer = …` goes to one shard. Every other
//! statement goes to all shards. Citus has rules of its own: a unique index and `ON CONFLICT` must
//! contain the distribution column.
//! <https://docs.citusdata.com/en/stable/develop/reference_sql.html>
//!
//! Different from [`PgOrders`](crate::PgOrders):
//! * An order is found by its id alone on all shards. The id contains our bucket, which Citus does
//!   not know.
//! * An order takes its number in a transaction of its own. So ids are unique and ascend in a
//!   bucket, but an order can become visible after one with a greater id.
//! * A query across customers fails if a worker is down. There are no partial results, and the
//!   shards are not read at the same moment.
//! * The coordinator is asked by every statement. If it is down, all customers are affected.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};

use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::orders::postgres::{ORDER_COLUMNS, clean_reference, compare, order_from_row};
use crate::orders::scatter::filtered;
use crate::orders::{Gathered, OrderFilter, OrderSort, OrderTotals, Orders};
use crate::postgres::{QUERY_TIMEOUT, replace_nul, transact, with_timeout};
use crate::sharding::{ShardId, bucket_of_customer, order_id};

/// What the store sees: one database.
const COORDINATOR: ShardId = 0;

/// All orders behind one Citus coordinator. Fill its database with
/// [`seed_store_on_citus`](crate::seed::seed_store_on_citus) first.
pub struct CitusOrders {
    coordinator: PgPool,
}

impl CitusOrders {
    /// Orders on this coordinator.
    pub fn new(coordinator: PgPool) -> Self {
        CitusOrders { coordinator }
    }

    // ANCHOR: next_id
    /// The next id of the customer's bucket, and the coordinator's time. A number that no order
    /// uses in the end is lost, which does no harm.
    async fn next_id(&self, customer: &str) -> Result<(OrderId, DateTime<Utc>), StoreError> {
        let bucket = bucket_of_customer(customer);
        // The same clock as `order_clock` on our own shards: 16 numbers per millisecond since 2026.
        let next = sqlx::query(
            "UPDATE order_sequences SET next = 1 + greatest(next, \
             (floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1767225600000) * 16) \
             WHERE bucket = $1 RETURNING next - 1 AS sequence, clock_timestamp() AS now",
        )
        .bind(i32::from(bucket))
        .fetch_optional(&self.coordinator);
        let row = with_timeout(QUERY_TIMEOUT, next).await?;
        let row = row.ok_or_else(|| {
            StoreError::Corrupt(format!(
                "the table order_sequences has no bucket {bucket}; fill the store before you open \
                 its orders"
            ))
        })?;
        Ok((
            order_id(row.try_get("sequence")?, bucket),
            row.try_get("now")?,
        ))
    }
    // ANCHOR_END: next_id

    // ANCHOR: insert
    /// Inserts the order, unless its customer used the key before. Returns whether it did. One
    /// statement on one shard, so it is atomic.
    async fn insert(&self, order: &Order, key: &str) -> Result<bool, StoreError> {
        let insert = sqlx::query(
            "INSERT INTO orders \
             (id, customer, game_id, quantity, total_cents, created_at, idempotency_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (customer, idempotency_key) DO NOTHING",
        )
        .bind(order.id)
        .bind(&order.customer)
        .bind(order.game_id)
        .bind(order.quantity as i32)
        .bind(order.total_cents)
        .bind(order.created_at)
        .bind(key)
        .execute(&self.coordinator);
        let inserted = with_timeout(QUERY_TIMEOUT, insert).await?;
        Ok(inserted.rows_affected() == 1)
    }
    // ANCHOR_END: insert

    /// Claims the payment and inserts the order, in one transaction over the coordinator's table
    /// and the shard. Returns whether it did. Citus commits both or none, so no claim is left
    /// without its order. A second claim waits for the first.
    async fn insert_paid(
        &self,
        order: Order,
        key: String,
        reference: String,
    ) -> Result<bool, StoreError> {
        transact(&self.coordinator, move |db| {
            Box::pin(async move {
                let claim = sqlx::query(
                    "INSERT INTO order_claims (reference, customer, idempotency_key) \
                     VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                )
                .bind(&reference)
                .bind(&order.customer)
                .bind(&key)
                .execute(&mut *db)
                .await?;
                if claim.rows_affected() == 0 {
                    return Ok(false);
                }
                let inserted = sqlx::query(
                    "INSERT INTO orders (id, customer, game_id, quantity, total_cents, \
                     created_at, idempotency_key, payment_reference) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                )
                .bind(order.id)
                .bind(&order.customer)
                .bind(order.game_id)
                .bind(order.quantity as i32)
                .bind(order.total_cents)
                .bind(order.created_at)
                .bind(&key)
                .bind(&reference)
                .execute(db)
                .await?;
                Ok(inserted.rows_affected() == 1)
            })
        })
        .await
    }

    /// The row of the order that the customer placed with this key.
    async fn find_by_key(&self, customer: &str, key: &str) -> Result<Option<PgRow>, StoreError> {
        let sql = format!(
            "SELECT {ORDER_COLUMNS}, payment_reference FROM orders \
             WHERE customer = $1 AND idempotency_key = $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(customer)
            .bind(key)
            .fetch_optional(&self.coordinator);
        Ok(with_timeout(QUERY_TIMEOUT, query).await?)
    }
}

#[async_trait]
impl Orders for CitusOrders {
    async fn place(&self, new: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let customer = replace_nul(&new.customer);
        let key = replace_nul(&new.idempotency_key);
        if let Some(earlier) = self.find_by_key(&customer, &key).await? {
            return Ok(compare(&earlier, new)?);
        }
        let (id, created_at) = self.next_id(&customer).await?;
        let order = Order {
            id,
            customer: customer.clone().into_owned(),
            game_id: new.game_id,
            quantity: new.quantity,
            total_cents: new.unit_price_cents * i64::from(new.quantity),
            created_at,
        };
        let reference = clean_reference(new);
        let is_inserted = match reference.clone() {
            None => self.insert(&order, &key).await?,
            Some(reference) => {
                let key = key.clone().into_owned();
                self.insert_paid(order.clone(), key, reference).await?
            }
        };
        if is_inserted {
            return Ok(PlaceOutcome::Created(order));
        }
        // Another request with this key was faster.
        let earlier = self.find_by_key(&customer, &key).await?;
        match earlier {
            Some(earlier) => Ok(compare(&earlier, new)?),
            // The claim of an order with another key.
            None if reference.is_some() => Ok(PlaceOutcome::ReferenceUsed),
            None => Err(StoreError::Corrupt(format!(
                "the order with the key {key:?} was deleted"
            ))),
        }
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let sql = format!("SELECT {ORDER_COLUMNS} FROM orders WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(&self.coordinator);
        let row = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(row.as_ref().map(order_from_row).transpose()?)
    }

    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let sql = format!(
            "SELECT {ORDER_COLUMNS} FROM orders WHERE customer = $1 AND id < $2 \
             ORDER BY id DESC LIMIT $3"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(replace_nul(customer))
            .bind(before.unwrap_or(OrderId::MAX))
            .bind(limit as i64)
            .fetch_all(&self.coordinator);
        orders(&with_timeout(QUERY_TIMEOUT, query).await?)
    }

    async fn search(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError> {
        let sql = format!(
            "SELECT {ORDER_COLUMNS} FROM orders WHERE {FILTER} AND id < $3 \
             ORDER BY {} LIMIT $4",
            sort.columns()
        );
        let query = filtered(&sql, filter)
            .bind(before.unwrap_or(OrderId::MAX))
            .bind(limit as i64)
            .fetch_all(&self.coordinator);
        let rows = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(Gathered::complete(orders(&rows)?))
    }

    async fn totals(&self, filter: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError> {
        let sql = format!(
            "SELECT count(*) AS count, coalesce(sum(total_cents), 0)::bigint AS sum \
             FROM orders WHERE {FILTER}"
        );
        let query = filtered(&sql, filter).fetch_one(&self.coordinator);
        let row = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(Gathered::complete(OrderTotals {
            count: row.try_get::<i64, _>("count")? as u64,
            sum_cents: row.try_get("sum")?,
        }))
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let query = sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&self.coordinator);
        let count: i64 = with_timeout(QUERY_TIMEOUT, query).await?;
        Ok(vec![count as u64])
    }

    fn shard_of_customer(&self, _customer: &str) -> ShardId {
        COORDINATOR
    }

    fn shard_of_order(&self, _id: OrderId) -> ShardId {
        COORDINATOR
    }
}

/// The filter's condition. Its two parameters are bound by [`filtered`].
const FILTER: &str = "($1::bigint IS NULL OR game_id = $1) \
     AND ($2::bigint IS NULL OR total_cents >= $2)";

fn orders(rows: &[PgRow]) -> Result<Vec<Order>, StoreError> {
    let orders: Result<_, Error> = rows.iter().map(order_from_row).collect();
    Ok(orders?)
}
