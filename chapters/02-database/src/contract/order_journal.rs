//! The contract of every move of a bucket: a confirmed order is there afterwards, and there once.
//!
//! An [`OrderJournal`] has customers that order all the time, and remembers what they were told.
//! Afterwards it is compared with the orders on all shards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use sqlx::postgres::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::model::{NewOrder, Order, OrderId, PlaceOutcome, StoreError};
use crate::orders::Orders;
use crate::sharding::{Bucket, bucket_of_order};

/// The pause of a customer after an error.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// A confirmed order.
#[derive(Clone, Debug)]
pub struct ConfirmedOrder {
    /// The order.
    pub order: Order,
    /// Its idempotency key.
    pub key: String,
    /// When the customer sent it for the first time.
    pub start: Instant,
    /// When the customer got the confirmation.
    pub end: Instant,
}

impl ConfirmedOrder {
    /// The bucket of the order.
    pub fn bucket(&self) -> Bucket {
        bucket_of_order(self.order.id)
    }
}

/// What some customers were told about their orders.
#[derive(Debug, Default)]
pub struct OrderJournal {
    next_key: AtomicU64,
    is_stopped: AtomicBool,
    failed_attempts: AtomicU64,
    confirmed: Mutex<Vec<ConfirmedOrder>>,
}

/// The comparison of a journal with the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderComparison {
    /// Confirmed orders.
    pub confirmed: usize,
    /// Confirmed orders that no shard has in an active bucket. Must be 0.
    pub lost: usize,
    /// Confirmed orders that are there more than once. Must be 0.
    pub duplicated: usize,
}

impl OrderJournal {
    /// An empty journal.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Places one order. After an error, sends it again with the same key until it is confirmed.
    pub async fn place(&self, orders: &dyn Orders, customer: &str) -> OrderId {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let new = NewOrder {
            customer: customer.to_owned(),
            game_id: 7,
            quantity: 1,
            unit_price_cents: 1_999,
            idempotency_key: format!("journal-{key}"),
            payment_reference: None,
        };
        let start = Instant::now();
        loop {
            match orders.place(&new).await {
                Ok(PlaceOutcome::Created(order) | PlaceOutcome::AlreadyPlaced(order)) => {
                    let id = order.id;
                    self.confirmed.lock().push(ConfirmedOrder {
                        order,
                        key: new.idempotency_key,
                        start,
                        end: Instant::now(),
                    });
                    return id;
                }
                Ok(refused) => unreachable!("every order has its own key, got {refused:?}"),
                Err(error) => {
                    tracing::info!(%error, customer, "an order is sent again");
                    self.failed_attempts.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Starts clients that place orders of these customers until [`stop`](Self::stop). Each client
    /// waits this long between the beginnings of two orders; zero means no wait.
    pub fn start_clients<O: Orders>(
        self: &Arc<Self>,
        count: usize,
        orders: &Arc<O>,
        customers: &[String],
        interval: Duration,
    ) -> Vec<JoinHandle<()>> {
        self.is_stopped.store(false, Ordering::Relaxed);
        let client = |number: usize| {
            let (journal, orders) = (Arc::clone(self), Arc::clone(orders));
            let customers = customers.to_vec();
            tokio::spawn(async move {
                let mut turn = number;
                // A timer cannot tick every zero seconds.
                let mut timer = tokio::time::interval(interval.max(Duration::from_nanos(1)));
                timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !journal.is_stopped.load(Ordering::Relaxed) {
                    if !interval.is_zero() {
                        timer.tick().await;
                    }
                    let customer = &customers[turn % customers.len()];
                    journal.place(orders.as_ref(), customer).await;
                    turn += count;
                }
            })
        };
        (0..count).map(client).collect()
    }

    /// Lets the clients finish their orders, and waits for them.
    pub async fn stop(&self, clients: Vec<JoinHandle<()>>) {
        self.is_stopped.store(true, Ordering::Relaxed);
        join_all(clients).await;
    }

    /// The confirmed orders so far.
    pub fn confirmed(&self) -> Vec<ConfirmedOrder> {
        self.confirmed.lock().clone()
    }

    /// How many orders of a bucket are confirmed.
    pub fn count(&self, bucket: Bucket) -> usize {
        let confirmed = self.confirmed.lock();
        let of_bucket = confirmed.iter().filter(|order| order.bucket() == bucket);
        of_bucket.count()
    }

    /// How many requests got an error.
    pub fn failed_attempts(&self) -> u64 {
        self.failed_attempts.load(Ordering::Relaxed)
    }

    /// Compares the journal with the orders in the active buckets of all shards.
    pub async fn compare(&self, shards: &[PgPool]) -> Result<OrderComparison, StoreError> {
        let mut ids_by_key: HashMap<(String, String), Vec<OrderId>> = HashMap::new();
        for shard in shards {
            let rows: Vec<(OrderId, String, String)> = sqlx::query_as(
                "SELECT id, customer, idempotency_key FROM orders JOIN buckets USING (bucket) \
                 WHERE state = 'active' AND idempotency_key LIKE 'journal-%'",
            )
            .fetch_all(shard)
            .await?;
            for (id, customer, key) in rows {
                ids_by_key.entry((customer, key)).or_default().push(id);
            }
        }
        let confirmed = self.confirmed();
        let copies = |confirmed: &ConfirmedOrder| {
            let key = (confirmed.order.customer.clone(), confirmed.key.clone());
            let ids = ids_by_key.get(&key).map_or(&[][..], Vec::as_slice);
            (ids.contains(&confirmed.order.id), ids.len())
        };
        Ok(OrderComparison {
            confirmed: confirmed.len(),
            lost: confirmed.iter().filter(|order| !copies(order).0).count(),
            duplicated: confirmed.iter().filter(|order| copies(order).1 > 1).count(),
        })
    }
}
