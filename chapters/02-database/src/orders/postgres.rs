//! Orders in several PostgreSQL databases, one per shard.
//!
//! Every method finds the bucket from the customer's name or from the order's id. It asks only the
//! shard that owns the bucket. So a failed shard affects only its own customers. Only the count
//! asks all shards.
//!
//! Every statement checks that the shard owns the bucket, with the epoch of this clone's map (see
//! the module `sharding`). Orders of one bucket wait for each other at the bucket's row, until the
//! commit of each is on disk.

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::{AssertSqlSafe, Error, Row};

use super::routing::{Reply, Router, no_map};
use super::{Gathered, OrderFilter, OrderSort, OrderTotals, Orders};
use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::naive::Naive;
use crate::postgres::{QUERY_TIMEOUT, replace_nul, transact, with_timeout};
use crate::sharding::{
    Bucket, Epoch, ShardId, ShardMap, bucket_of_customer, bucket_of_order, gate, load_map, order_id,
};

pub(super) const ORDER_COLUMNS: &str = "id, customer, game_id, quantity, total_cents, created_at";

// ANCHOR: owned
/// One row if this shard owns bucket `$1` with the epoch `$2`, else none.
const OWNED: &str = "SELECT bucket FROM buckets \
     WHERE bucket = $1 AND epoch = $2 AND state = 'active'";
// ANCHOR_END: owned

/// One row, whoever owns the bucket: the naive version of [`OWNED`].
const UNCHECKED: &str = "SELECT $1::integer AS bucket WHERE $2::bigint IS NOT NULL";

/// The bucket's sequence has reached the deadline of an order. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the order came too late: its bucket has given the numbers up to {sequence}")]
pub struct TooLate {
    /// The number that the order would have got.
    pub sequence: i64,
}

/// Orders in one PostgreSQL database per shard.
pub struct PgOrders {
    pub(super) router: Router,
    pub(super) checks_epoch: bool,
}

impl PgOrders {
    /// Orders in these databases, in the order of the shards. Reads the shard map from the
    /// catalogue's primary.
    ///
    /// [`StoreError::Corrupt`] if the store has not been filled.
    pub async fn open(catalog: &PgPool, shards: Vec<PgPool>) -> Result<Self, StoreError> {
        PgOrders::open_naive(catalog, shards, &[]).await
    }

    /// Orders with these techniques switched to their naive versions.
    pub async fn open_naive(
        catalog: &PgPool,
        shards: Vec<PgPool>,
        naive: &[Naive],
    ) -> Result<Self, StoreError> {
        let uses_modulo = naive.contains(&Naive::ModuloSharding);
        let map = if uses_modulo {
            ShardMap::modulo(shards.len())
        } else {
            load_map(catalog).await?.ok_or_else(no_map)?
        };
        Ok(PgOrders {
            router: Router::new(catalog.clone(), shards, map),
            // Modulo sharding has no epoch that it could check.
            checks_epoch: !uses_modulo && !naive.contains(&Naive::MapEpoch),
        })
    }

    /// Places an order only if its sequence number is below `deadline`. An order that the customer
    /// placed earlier with this key is returned after the deadline too.
    pub(super) async fn place_before(
        &self,
        order: &NewOrder,
        deadline: i64,
    ) -> Result<Result<PlaceOutcome, TooLate>, StoreError> {
        let new = NewOrder {
            customer: replace_nul(&order.customer).into_owned(),
            idempotency_key: replace_nul(&order.idempotency_key).into_owned(),
            payment_reference: clean_reference(order),
            ..order.clone()
        };
        let bucket = bucket_of_customer(&new.customer);
        let place = |shard, epoch| {
            let (new, checks_epoch) = (new.clone(), self.checks_epoch);
            transact(shard, move |db| {
                Box::pin(place(db, (bucket, epoch), new, deadline, checks_epoch))
            })
        };
        self.router.route(bucket, place).await
    }

    /// A query that gives one row for every row of `query`, or one row of NULL, if this shard owns
    /// bucket `$1` with epoch `$2`. It gives no row if not. Both come from one snapshot.
    fn checked(&self, query: &str) -> String {
        let owned = if self.checks_epoch { OWNED } else { UNCHECKED };
        format!(
            "SELECT {ORDER_COLUMNS} FROM ({owned}) AS owned LEFT JOIN ({query}) AS orders ON true \
             ORDER BY id DESC"
        )
    }
}

#[async_trait]
impl Orders for PgOrders {
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let placed = self.place_before(order, i64::MAX).await?;
        placed.map_err(|late| StoreError::Corrupt(late.to_string()))
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let bucket = bucket_of_order(id);
        let sql = self.checked(&format!("SELECT {ORDER_COLUMNS} FROM orders WHERE id = $3"));
        let find = async |shard, epoch| {
            let query = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(i32::from(bucket))
                .bind(epoch)
                .bind(id)
                .fetch_all(shard);
            reply(&with_timeout(QUERY_TIMEOUT, query).await?)
        };
        let found = self.router.route(bucket, find).await?;
        Ok(found.into_iter().next())
    }

    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        let customer = replace_nul(customer);
        let bucket = bucket_of_customer(&customer);
        let sql = self.checked(&format!(
            "SELECT {ORDER_COLUMNS} FROM orders WHERE customer = $3 AND id < $4 \
             ORDER BY id DESC LIMIT $5"
        ));
        let list = async |shard, epoch| {
            let query = sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(i32::from(bucket))
                .bind(epoch)
                .bind(customer.as_ref())
                .bind(before.unwrap_or(OrderId::MAX))
                .bind(limit as i64)
                .fetch_all(shard);
            reply(&with_timeout(QUERY_TIMEOUT, query).await?)
        };
        self.router.route(bucket, list).await
    }

    async fn search(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError> {
        self.gather_orders(filter, sort, before, limit).await
    }

    async fn totals(&self, filter: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError> {
        self.gather_totals(filter).await
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(self.router.shards().len());
        for shard in self.router.shards() {
            let query = sqlx::query_scalar(
                "SELECT count(*) FROM orders JOIN buckets USING (bucket) WHERE state = 'active'",
            )
            .fetch_one(shard);
            let count: i64 = with_timeout(QUERY_TIMEOUT, query).await?;
            counts.push(count as u64);
        }
        Ok(counts)
    }

    fn shard_of_customer(&self, customer: &str) -> ShardId {
        let bucket = bucket_of_customer(&replace_nul(customer));
        self.router.map().owner(bucket)
    }

    fn shard_of_order(&self, id: OrderId) -> ShardId {
        self.router.map().owner(bucket_of_order(id))
    }
}

/// Reads the rows of a query that [`PgOrders::checked`] has made.
fn reply(rows: &[PgRow]) -> Result<Reply<Vec<Order>>, StoreError> {
    if rows.is_empty() {
        return Ok(Reply::StaleMap);
    }
    let has_order = |row: &&PgRow| {
        row.try_get::<Option<OrderId>, _>("id")
            .ok()
            .flatten()
            .is_some()
    };
    let orders = rows.iter().filter(has_order).map(order_from_row);
    Ok(Reply::Done(orders.collect::<Result<_, _>>()?))
}

/// Places an order inside a transaction.
async fn place(
    db: &mut PgConnection,
    (bucket, epoch): (Bucket, Epoch),
    new: NewOrder,
    deadline: i64,
    checks_epoch: bool,
) -> Result<Reply<Result<PlaceOutcome, TooLate>>, Error> {
    let owned = if checks_epoch { OWNED } else { UNCHECKED };
    let sql = format!(
        "SELECT {try_enter} AS has_entered, owned.bucket IS NOT NULL AS is_owner, \
         {ORDER_COLUMNS}, payment_reference \
         FROM (SELECT 1) AS always LEFT JOIN ({owned}) AS owned ON true \
         LEFT JOIN orders ON customer = $3 AND idempotency_key = $4",
        try_enter = gate::try_enter(),
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(i32::from(bucket))
        .bind(epoch)
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_one(&mut *db)
        .await?;
    if !row.try_get::<bool, _>("has_entered")? {
        return Ok(Reply::GateClosed);
    }
    if !row.try_get::<bool, _>("is_owner")? {
        return Ok(Reply::StaleMap);
    }
    if row.try_get::<Option<OrderId>, _>("id")?.is_some() {
        return Ok(Reply::Done(Ok(compare(&row, &new)?)));
    }
    let Some(sequence) = next_sequence(db, bucket, epoch, checks_epoch).await? else {
        return Ok(Reply::StaleMap);
    };
    if sequence >= deadline {
        return Ok(Reply::Done(Err(TooLate { sequence })));
    }
    let placed = insert(db, order_id(sequence, bucket), &new).await?;
    Ok(Reply::Done(Ok(placed)))
}

/// Takes the bucket's next sequence number, and the lock of the bucket's row until the transaction
/// ends. `None` if this shard does not own the bucket.
async fn next_sequence(
    db: &mut PgConnection,
    bucket: Bucket,
    epoch: Epoch,
    checks_epoch: bool,
) -> Result<Option<i64>, Error> {
    if !checks_epoch {
        // The naive clone writes as if the shard had no trigger.
        let accept = "SELECT set_config('sharding.bucket_state', state, true) FROM buckets \
             WHERE bucket = $1";
        let accept = sqlx::query(accept).bind(i32::from(bucket));
        accept.execute(&mut *db).await?;
    }
    // The statement before has read a snapshot from before the gate was entered, so the owner is
    // checked again. UPDATE checks the newest version of the row, after a wait for its lock.
    sqlx::query_scalar(
        "UPDATE buckets SET next = greatest(next, order_clock()) + 1 \
         WHERE bucket = $1 AND (epoch = $2 AND state = 'active' OR $3) RETURNING next - 1",
    )
    .bind(i32::from(bucket))
    .bind(epoch)
    .bind(!checks_epoch)
    .fetch_optional(db)
    .await
}

/// Inserts an order, unless another transaction has just used its idempotency key, or an order of
/// the customer has its payment.
async fn insert(db: &mut PgConnection, id: OrderId, new: &NewOrder) -> Result<PlaceOutcome, Error> {
    // Two requests with the same key may both get here, because neither has written yet. The unique
    // constraint accepts one of them. The other finds that order, and its sequence number stays
    // unused.
    let sql = format!(
        "INSERT INTO orders \
         (id, customer, game_id, quantity, total_cents, created_at, idempotency_key, \
          payment_reference) \
         SELECT $1, $2, $3, $4, $5, clock_timestamp(), $6, $7 WHERE NOT EXISTS \
             (SELECT FROM orders WHERE customer = $2 AND payment_reference = $7) \
         ON CONFLICT (customer, idempotency_key) DO NOTHING RETURNING {ORDER_COLUMNS}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(&new.customer)
        .bind(new.game_id)
        .bind(new.quantity as i32)
        .bind(new.unit_price_cents * i64::from(new.quantity))
        .bind(&new.idempotency_key)
        .bind(&new.payment_reference)
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = row {
        return Ok(PlaceOutcome::Created(order_from_row(&row)?));
    }
    let sql = format!(
        "SELECT {ORDER_COLUMNS}, payment_reference FROM orders \
         WHERE customer = $1 AND idempotency_key = $2"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(&new.customer)
        .bind(&new.idempotency_key)
        .fetch_optional(db)
        .await?;
    // Without an order of this key, an order with another key has the payment.
    row.map_or(Ok(PlaceOutcome::ReferenceUsed), |row| compare(&row, new))
}

/// The outcome for a customer who used the key before, for the order of this row.
pub(super) fn compare(row: &PgRow, new: &NewOrder) -> Result<PlaceOutcome, Error> {
    let earlier = order_from_row(row)?;
    let reference: Option<String> = row.try_get("payment_reference")?;
    // The price is not compared. It may have changed, and the client did not send it.
    let is_same = (earlier.game_id, earlier.quantity) == (new.game_id, new.quantity)
        && reference == clean_reference(new);
    Ok(if is_same {
        PlaceOutcome::AlreadyPlaced(earlier)
    } else {
        PlaceOutcome::KeyReused
    })
}

/// The payment's reference as PostgreSQL can store it.
pub(super) fn clean_reference(order: &NewOrder) -> Option<String> {
    let reference = order.payment_reference.as_deref()?;
    Some(replace_nul(reference).into_owned())
}

pub(super) fn order_from_row(row: &PgRow) -> Result<Order, Error> {
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
