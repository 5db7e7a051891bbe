//! A reference that is unique across all shards: one payment pays for one order.
//!
//! An order's payment reference is unique for its customer, because the index is on the customer's
//! shard. Two customers on two shards must not use one reference both. So a customer first *claims*
//! the reference: a row in the catalogue, with the reference as its primary key. Then the order is
//! placed on the customer's shard, and the claim is confirmed. An order without a reference needs
//! no claim.
//!
//! A process can die after each step. A claim that is not confirmed says nothing about its order,
//! and its age does not either, because its owner may only be slow. The customer's shard decides.
//! The claim has a deadline, a number of the bucket's sequence, and the shard places the order only
//! with a smaller number. Whoever wants the reference moves the sequence of the owner's bucket to
//! the deadline, under the lock of the bucket's row. After that the order is there, or it can never
//! come. No clock has to be right for this, and it holds when the bucket moves to another shard.
//!
//! Left out: claims on the shards, by the bucket of the reference. That takes the load off the
//! catalogue's primary. The protocol is the same.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Error, Row};

use super::postgres::{ORDER_COLUMNS, PgOrders, TooLate, order_from_row};
use super::routing::Reply;
use super::{Gathered, OrderFilter, OrderSort, OrderTotals, Orders};
use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::postgres::{QUERY_TIMEOUT, replace_nul, transact, with_timeout};
use crate::sharding::{Bucket, COUNTS_PER_MILLISECOND, Epoch, ShardId, bucket_of_customer, gate};

/// How long a claim's owner has for the order until others may look at its shard.
const LEASE: Duration = Duration::from_secs(10);

/// How often an order is tried again because its deadline has passed.
const MAX_ATTEMPTS: usize = 3;

/// Orders whose payment references are unique across all customers.
#[derive(Clone)]
pub struct UniqueOrders {
    orders: Arc<PgOrders>,
    catalog: PgPool,
    lease: Duration,
}

/// A customer's right to place the order with this reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    reference: String,
    customer: String,
    /// The order's sequence number must be smaller.
    deadline: i64,
}

/// The result of a step, if another customer may have the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed<T> {
    /// The reference belongs to this customer.
    Own(T),
    /// An order of another customer has the reference.
    Taken,
    /// Another customer has claimed the reference, and may be placing the order now. A later try
    /// gets another answer.
    InProgress,
}

impl UniqueOrders {
    /// Orders on these shards, with the claims in the catalogue's primary.
    pub fn new(catalog: PgPool, orders: Arc<PgOrders>) -> Self {
        UniqueOrders {
            orders,
            catalog,
            lease: LEASE,
        }
    }

    /// Gives the owner of a new claim this long for its order. The lease decides when others look
    /// at the owner's shard, and not what they find there.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        UniqueOrders { lease, ..self }
    }

    // ANCHOR: place
    /// Claims the order's payment reference, places the order, and confirms the claim. A customer
    /// whose process died in between repeats this, and gets the same order.
    async fn claim_and_place(
        &self,
        order: &NewOrder,
        reference: &str,
    ) -> Result<Claimed<PlaceOutcome>, StoreError> {
        let mut earliest_deadline = 0;
        for _ in 0..MAX_ATTEMPTS {
            let claim = self.claim(&order.customer, reference, earliest_deadline);
            let claim = match claim.await? {
                Claimed::Own(claim) => claim,
                Claimed::Taken => return Ok(Claimed::Taken),
                Claimed::InProgress => return Ok(Claimed::InProgress),
            };
            match self.place_claimed(order, &claim).await? {
                Ok(placed) => {
                    let has_order = matches!(
                        placed,
                        PlaceOutcome::Created(_) | PlaceOutcome::AlreadyPlaced(_)
                    );
                    if has_order && let Err(error) = self.confirm(&claim).await {
                        // The order is durable. The next claimant finds it and confirms the claim.
                        tracing::info!(%error, "a claim remains unconfirmed");
                    }
                    return Ok(Claimed::Own(placed));
                }
                // The clock of the shard is ahead, or this process was slow.
                Err(TooLate { sequence }) => earliest_deadline = sequence + self.lease_numbers(),
            }
        }
        Err(StoreError::unavailable(
            "the deadlines of the claims pass before the orders are placed; try again",
        ))
    }
    // ANCHOR_END: place

    /// Step 1: claims the reference for a customer, with at least this deadline. An own claim gets
    /// a later deadline. A claim of another customer is taken over if its deadline has passed
    /// without an order.
    pub async fn claim(
        &self,
        customer: &str,
        reference: &str,
        earliest_deadline: i64,
    ) -> Result<Claimed<Claim>, StoreError> {
        let own = |deadline| Claim {
            reference: replace_nul(reference).into_owned(),
            customer: replace_nul(customer).into_owned(),
            deadline,
        };
        let wanted = own(0);
        // One statement, so two customers cannot both find the reference free.
        let insert = sqlx::query_scalar(
            "INSERT INTO order_claims AS claim (reference, customer, deadline) \
             VALUES ($1, $2, greatest(claim_clock() + $3, $4)) \
             ON CONFLICT (reference) DO UPDATE \
             SET deadline = greatest(claim.deadline + 1, excluded.deadline) \
             WHERE claim.customer = excluded.customer RETURNING deadline",
        )
        .bind(&wanted.reference)
        .bind(&wanted.customer)
        .bind(self.lease_numbers())
        .bind(earliest_deadline)
        .fetch_optional(&self.catalog);
        if let Some(deadline) = with_timeout(QUERY_TIMEOUT, insert).await? {
            return Ok(Claimed::Own(own(deadline)));
        }
        let find = sqlx::query(
            "SELECT customer, deadline, confirmed, deadline <= claim_clock() AS has_passed \
             FROM order_claims WHERE reference = $1",
        )
        .bind(&wanted.reference)
        .fetch_one(&self.catalog);
        let row = with_timeout(QUERY_TIMEOUT, find).await?;
        if row.try_get("confirmed")? {
            return Ok(Claimed::Taken);
        }
        if !row.try_get::<bool, _>("has_passed")? {
            return Ok(Claimed::InProgress);
        }
        let other = Claim {
            reference: wanted.reference.clone(),
            customer: row.try_get("customer")?,
            deadline: row.try_get("deadline")?,
        };
        self.take_over(&other, wanted).await
    }

    /// Step 2: places the order on the customer's shard, unless the claim's deadline has passed
    /// there.
    pub async fn place_claimed(
        &self,
        order: &NewOrder,
        claim: &Claim,
    ) -> Result<Result<PlaceOutcome, TooLate>, StoreError> {
        self.orders.place_before(order, claim.deadline).await
    }

    /// Step 3: records that the order of a claim exists.
    pub async fn confirm(&self, claim: &Claim) -> Result<(), StoreError> {
        let confirm = "UPDATE order_claims SET confirmed = true \
             WHERE reference = $1 AND customer = $2";
        let confirm = sqlx::query(confirm)
            .bind(&claim.reference)
            .bind(&claim.customer)
            .execute(&self.catalog);
        with_timeout(QUERY_TIMEOUT, confirm).await?;
        Ok(())
    }

    // ANCHOR: take_over
    /// Asks the shard of the claim's owner. The claim goes to another customer only if its order
    /// can never come.
    async fn take_over(&self, other: &Claim, wanted: Claim) -> Result<Claimed<Claim>, StoreError> {
        if self.orders.end_deadline(other).await?.is_some() {
            self.confirm(other).await?;
            return Ok(Claimed::Taken);
        }
        // A deadline that has changed belongs to a newer claim, about which the shard has said
        // nothing. Deadlines of one reference only grow.
        let take = sqlx::query_scalar(
            "UPDATE order_claims \
             SET customer = $2, deadline = greatest(deadline + 1, claim_clock() + $3) \
             WHERE reference = $1 AND customer = $4 AND deadline = $5 AND NOT confirmed \
             RETURNING deadline",
        )
        .bind(&wanted.reference)
        .bind(&wanted.customer)
        .bind(self.lease_numbers())
        .bind(&other.customer)
        .bind(other.deadline)
        .fetch_optional(&self.catalog);
        let taken: Option<i64> = with_timeout(QUERY_TIMEOUT, take).await?;
        Ok(match taken {
            Some(deadline) => Claimed::Own(Claim { deadline, ..wanted }),
            None => Claimed::InProgress,
        })
    }
    // ANCHOR_END: take_over

    /// The lease in sequence numbers.
    fn lease_numbers(&self) -> i64 {
        self.lease.as_millis() as i64 * COUNTS_PER_MILLISECOND
    }
}

#[async_trait]
impl Orders for UniqueOrders {
    async fn place(&self, order: &NewOrder) -> Result<PlaceOutcome, StoreError> {
        let Some(reference) = &order.payment_reference else {
            return self.orders.place(order).await;
        };
        Ok(match self.claim_and_place(order, reference).await? {
            Claimed::Own(placed) => placed,
            Claimed::Taken => PlaceOutcome::ReferenceUsed,
            Claimed::InProgress => PlaceOutcome::ReferenceInProgress,
        })
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        self.orders.get(id).await
    }

    async fn list_by_customer(
        &self,
        customer: &str,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, StoreError> {
        self.orders.list_by_customer(customer, before, limit).await
    }

    async fn search(
        &self,
        filter: &OrderFilter,
        sort: OrderSort,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Gathered<Vec<Order>>, StoreError> {
        self.orders.search(filter, sort, before, limit).await
    }

    async fn totals(&self, filter: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError> {
        self.orders.totals(filter).await
    }

    async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
        self.orders.count_by_shard().await
    }

    fn shard_of_customer(&self, customer: &str) -> ShardId {
        self.orders.shard_of_customer(customer)
    }

    fn shard_of_order(&self, id: OrderId) -> ShardId {
        self.orders.shard_of_order(id)
    }
}

impl PgOrders {
    /// Moves the owner's bucket past the claim's deadline. Returns the claim's order if it was
    /// placed before; after this it cannot be placed any more.
    async fn end_deadline(&self, claim: &Claim) -> Result<Option<Order>, StoreError> {
        let bucket = bucket_of_customer(&claim.customer);
        let end = |shard, epoch| {
            let (claim, checks_epoch) = (claim.clone(), self.checks_epoch);
            transact(shard, move |db| {
                Box::pin(end_deadline(db, bucket, epoch, claim, checks_epoch))
            })
        };
        self.router.route(bucket, end).await
    }
}

// ANCHOR: end_deadline
async fn end_deadline(
    db: &mut PgConnection,
    bucket: Bucket,
    epoch: Epoch,
    claim: Claim,
    checks_epoch: bool,
) -> Result<Reply<Option<Order>>, Error> {
    let enter = format!("SELECT {}", gate::try_enter());
    let enter = sqlx::query_scalar(AssertSqlSafe(enter)).bind(i32::from(bucket));
    if !enter.fetch_one(&mut *db).await? {
        return Ok(Reply::GateClosed);
    }
    // Waits for the commit of every order of the bucket that has a number. Later orders get a
    // number from the deadline on.
    let moved = sqlx::query(
        "UPDATE buckets SET next = greatest(next, $3) \
         WHERE bucket = $1 AND (epoch = $2 AND state = 'active' OR $4)",
    )
    .bind(i32::from(bucket))
    .bind(epoch)
    .bind(claim.deadline)
    .bind(!checks_epoch)
    .execute(&mut *db)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(Reply::StaleMap);
    }
    // A statement of its own: its snapshot contains the orders that the UPDATE has waited for.
    let find = format!(
        "SELECT {ORDER_COLUMNS} FROM orders WHERE customer = $1 AND payment_reference = $2"
    );
    let row = sqlx::query(AssertSqlSafe(find))
        .bind(&claim.customer)
        .bind(&claim.reference)
        .fetch_optional(db)
        .await?;
    let order = row.as_ref().map(order_from_row).transpose()?;
    Ok(Reply::Done(order))
}
// ANCHOR_END: end_deadline
