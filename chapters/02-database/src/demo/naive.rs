//! What goes wrong without a technique: the parts that run only with `--naive`.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::order_journal::OrderJournal;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::generator::{DEFAULT_SEED, Generator};
use ch02_database::sharding::rebalance::{MoveLimits, Mover};
use ch02_database::{Naive, Orders, PgOrders};
use clap::ValueEnum;
use sqlx::PgPool;

use super::bucket_move::{CLIENTS, customers_of_one_bucket, wait_for_orders};

/// The number of shards before the fifth.
const SHARDS: usize = 4;

/// How many customers order before a shard is added.
const CUSTOMERS: usize = 400;

/// Prints the result of a part that runs without a technique.
pub(super) fn report(naive: Naive, broken: u32, what: &str) {
    let name = naive.to_possible_value();
    let name = name.as_ref().map_or("", |value| value.get_name());
    if broken > 0 {
        println!("   WRONG with `--naive {name}`: {broken} {what}\n");
    } else {
        println!("   `--naive {name}` did no harm this time: 0 {what}\n");
    }
}

/// Places orders on four shards, adds a fifth, and looks for the orders.
pub(super) async fn add_a_shard_by_modulo(primary: &PgPool) -> anyhow::Result<()> {
    let (mut databases, mut shards) = (Vec::new(), Vec::new());
    for _ in 0..=SHARDS {
        let database = testbed::postgres().await?;
        shards.push(connect(&database.url())?);
        databases.push(database);
    }
    migrate(primary, &shards).await?;
    for (number, shard) in shards.iter().enumerate().take(SHARDS) {
        // As a store without a map of its buckets fills its shards.
        let buckets = "INSERT INTO buckets (bucket, next) \
             SELECT bucket, 0 FROM generate_series(0, 255) AS bucket WHERE bucket % $1 = $2";
        let buckets = sqlx::query(buckets).bind(SHARDS as i32).bind(number as i32);
        buckets.execute(shard).await?;
    }
    let open = async |shards: &[PgPool]| {
        PgOrders::open_naive(primary, shards.to_vec(), &[Naive::ModuloSharding]).await
    };
    let orders = open(&shards[..SHARDS]).await?;
    let mut ids = Vec::with_capacity(CUSTOMERS);
    for customer in Generator::new(DEFAULT_SEED)
        .customers()
        .iter()
        .take(CUSTOMERS)
    {
        let order = NewOrder {
            customer: customer.clone(),
            game_id: 7,
            quantity: 1,
            unit_price_cents: 1_999,
            idempotency_key: "demo".to_owned(),
            payment_reference: None,
        };
        if let PlaceOutcome::Created(order) = orders.place(&order).await? {
            ids.push(order.id);
        }
    }
    println!(
        "   {} orders per shard: {:?}",
        ids.len(),
        orders.count_by_shard().await?
    );
    let orders = open(&shards).await?;
    let mut missing = 0;
    for id in &ids {
        missing += u32::from(orders.get(*id).await?.is_none());
    }
    let what = format!(
        "of {} orders are not found after a fifth shard was added",
        ids.len()
    );
    report(Naive::ModuloSharding, missing, &what);
    Ok(())
}

/// Moves a bucket online, for clients whose requests do not name the epoch of the map.
pub(super) async fn move_a_bucket_without_epoch(
    primary: &PgPool,
    shards: &[PgPool],
) -> anyhow::Result<()> {
    let orders = PgOrders::open_naive(primary, shards.to_vec(), &[Naive::MapEpoch]).await?;
    let orders = Arc::new(orders);
    let bucket_mover = Mover::new(primary.clone(), shards.to_vec(), MoveLimits::default());
    let (bucket, customers) = customers_of_one_bucket();
    let from = orders.shard_of_customer(&customers[0]);
    let to = (from + 1) % shards.len();
    let journal = OrderJournal::new();
    let clients = journal.start_clients(CLIENTS, &orders, &customers, Duration::ZERO);
    wait_for_orders(&journal).await;
    // Its last step may fail: it empties the old shard, where the clients still write.
    let moved = bucket_mover.move_bucket(bucket, to, |_| ()).await;
    wait_for_orders(&journal).await;
    journal.stop(clients).await;
    let compared = journal.compare(shards).await?;
    println!(
        "   `--naive epoch`: bucket {bucket} from shard {from} to {to}; the clients write with the \
         old map"
    );
    if let Err(error) = moved {
        println!("   {error}");
        bucket_mover.settle_all().await?;
    }
    let what = format!("of {} confirmed orders are lost", compared.confirmed);
    report(Naive::MapEpoch, compared.lost as u32, &what);
    Ok(())
}
