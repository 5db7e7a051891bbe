//! The part with a move: a bucket goes to another shard while its customers order.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::order_journal::OrderJournal;
use ch02_database::seed::generator::{DEFAULT_SEED, Generator};
use ch02_database::sharding::bucket_of_customer;
use ch02_database::sharding::rebalance::{MoveLimits, Mover, NaiveMove};
use ch02_database::{Bucket, Orders, PgOrders};
use sqlx::PgPool;

/// The number of customers who order at the same time.
pub(super) const CLIENTS: usize = 4;

/// How many more orders arrive before, during and after a move.
const ORDERS: usize = 50;

/// Moves a bucket naively to another shard and online to a third one. Counts the lost orders.
pub(super) async fn move_a_bucket(primary: &PgPool, shards: &[PgPool]) -> anyhow::Result<()> {
    let orders = Arc::new(PgOrders::open(primary, shards.to_vec()).await?);
    let mover = Mover::new(primary.clone(), shards.to_vec(), MoveLimits::default());
    let (bucket, customers) = customers_of_one_bucket();
    for is_naive in [true, false] {
        let from = orders.shard_of_customer(&customers[0]);
        let to = (from + 1) % shards.len();
        let journal = OrderJournal::new();
        let clients = journal.start_clients(CLIENTS, &orders, &customers, Duration::ZERO);
        wait_for_orders(&journal).await;
        let held_back = if is_naive {
            let copied = NaiveMove::copy(&mover, bucket, to).await?;
            wait_for_orders(&journal).await;
            copied.switch().await?;
            "not held back".to_owned()
        } else {
            let report = mover.move_bucket(bucket, to, |_| ()).await?;
            format!("held back for {:.0} ms", report.blocked.as_secs_f64() * 1e3)
        };
        wait_for_orders(&journal).await;
        journal.stop(clients).await;
        let compared = journal.compare(shards).await?;
        println!(
            "   {}: bucket {bucket} from shard {from} to {to}, writers {held_back}; of {} confirmed \
             orders {} are lost",
            if is_naive {
                "copy, then switch"
            } else {
                "rebalance"
            },
            compared.confirmed,
            compared.lost
        );
    }
    println!();
    Ok(())
}

/// A bucket, and all its customers.
pub(super) fn customers_of_one_bucket() -> (Bucket, Vec<String>) {
    let mut customers = Generator::new(DEFAULT_SEED).customers().to_vec();
    let bucket = bucket_of_customer(&customers[0]);
    customers.retain(|name| bucket_of_customer(name) == bucket);
    (bucket, customers)
}

pub(super) async fn wait_for_orders(journal: &OrderJournal) {
    let wanted = journal.confirmed().len() + ORDERS;
    while journal.confirmed().len() < wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
