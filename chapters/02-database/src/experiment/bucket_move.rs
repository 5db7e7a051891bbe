//! Moves a bucket back and forth between two servers while customers order at a steady rate.
//!
//! The naive move and the online move of one bucket take turns, and sometimes a bucket with many
//! more orders moves: its pause should not be longer. The orders of all other buckets are counted
//! in the second before each move and during the move. The pause of the bucket is its slowest
//! order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use ch02_database::PgOrders;
use ch02_database::contract::order_journal::{ConfirmedOrder, OrderJournal};
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::generator::{DEFAULT_SEED, Generator};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::sharding::rebalance::{MoveLimits, Mover, NaiveMove};
use ch02_database::sharding::{Bucket, ShardId, bucket_of_customer, load_map};
use clap::Args;
use futures_util::future::try_join_all;
use measurement::{Spread, machine};
use sqlx::PgPool;
use testbed::{Postgres, Server, Service};
use tokio::time::{Instant, sleep};

/// A bucket with as many orders as each bucket of a store with a million orders.
const BUCKET: (Bucket, i32) = (7, 4_000);
/// A bucket with as many orders as each bucket of a store with fifty million orders.
const LARGE_BUCKET: (Bucket, i32) = (8, 200_000);
/// The large bucket moves once for so many moves of the other one.
const LARGE_MOVES: usize = 4;
/// The customers of the bucket who order at the same time, and those of all other buckets.
const CLIENTS: (usize, usize) = (4, 20);
/// How often each of them orders: 720 orders per second in all.
const INTERVAL: Duration = Duration::from_micros(33_333);
/// How long the orders before a move are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The settings of the experiment.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// How often the bucket moves in each way
    #[arg(long, default_value_t = 20)]
    moves: usize,
    /// One move in each way only: a test that the experiment works
    #[arg(long)]
    quick: bool,
}

/// Measures both ways and prints the results.
pub async fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        arguments.moves = 1;
    }
    let store = Store::start().await?;
    let mut cases = [
        Case::new("naive", BUCKET),
        Case::new("online", BUCKET),
        Case::new("online", LARGE_BUCKET),
    ];
    for number in 1..=arguments.moves {
        for case in &mut cases {
            if case.bucket == LARGE_BUCKET.0 && number % LARGE_MOVES != 1 {
                continue;
            }
            let (name, orders) = (case.name, case.orders);
            eprintln!(
                "move {number} of {}, {name}, {orders} orders",
                arguments.moves
            );
            case.measure(&store).await?;
        }
    }
    println!(
        "A bucket, moved {} times in each way; a large one, moved {} times",
        arguments.moves,
        arguments.moves.div_ceil(LARGE_MOVES)
    );
    println!("Machine: {}\n", machine::facts());
    println!(
        "{:<8}{:>9}{:>11}{:>6}{:>12}{:>20}{:>18}{:>18}{:>22}",
        "move",
        "orders",
        "confirmed",
        "lost",
        "duplicated",
        "slowest order, ms",
        "of others, ms",
        "others/s before",
        "during, times before"
    );
    for case in &cases {
        case.print(&store).await?;
    }
    println!(
        "\nEach value is a median (smallest–largest) of the moves. Orders: those at the beginning."
    );
    Ok(())
}

/// A store on two servers for the shards, with two clones.
struct Store {
    primary: PgPool,
    shards: Vec<PgPool>,
    clones: [Arc<PgOrders>; 2],
    mover: Mover,
    customers: Vec<String>,
    /// Kept, because dropping them removes them.
    _servers: (Postgres, Vec<Server>),
}

impl Store {
    async fn start() -> anyhow::Result<Store> {
        let catalog = testbed::postgres().await?;
        let servers = try_join_all((0..2).map(|_| Server::start(Service::Postgres))).await?;
        let primary = connect(&catalog.url())?;
        let shards = servers.iter().map(|server| connect(&server.url()));
        let shards: Vec<PgPool> = shards.collect::<Result<_, _>>()?;
        migrate(&primary, &shards).await?;
        let request = SeedRequest {
            games: Some(60),
            ..SeedRequest::default()
        };
        seed_store(&primary, &shards, request, |_, _| ()).await?;
        let customers = Generator::new(DEFAULT_SEED).customers().to_vec();
        for (bucket, orders) in [BUCKET, LARGE_BUCKET] {
            let mut names = customers.iter();
            let customer = names.find(|name| bucket_of_customer(name) == bucket);
            add_orders(&shards[0], bucket, orders, customer.context("no customer")?).await?;
        }
        let open = async || PgOrders::open(&primary, shards.clone()).await.map(Arc::new);
        Ok(Store {
            clones: [open().await?, open().await?],
            mover: Mover::new(primary.clone(), shards.clone(), MoveLimits::default()),
            primary,
            shards,
            customers,
            _servers: (catalog, servers),
        })
    }

    async fn other_shard(&self, bucket: Bucket) -> anyhow::Result<ShardId> {
        let map = load_map(&self.primary).await?.context("no shard map")?;
        Ok(1 - map.owner(bucket))
    }
}

/// Gives a bucket more orders, in statements that the server's time limit allows.
async fn add_orders(
    shard: &PgPool,
    bucket: Bucket,
    orders: i32,
    customer: &str,
) -> anyhow::Result<()> {
    const STATEMENT: i32 = 10_000;
    for first in (1..=orders).step_by(STATEMENT as usize) {
        sqlx::query(
            "INSERT INTO orders (id, customer, game_id, quantity, total_cents, created_at) \
             SELECT (10 + n) * 256 + $1, $2, 7, 1, 1999, now() FROM generate_series($3, $4) AS n",
        )
        .bind(i64::from(bucket))
        .bind(customer)
        .bind(i64::from(first))
        .bind(i64::from(orders.min(first + STATEMENT - 1)))
        .execute(shard)
        .await?;
    }
    Ok(())
}

/// One way to move the bucket.
struct Case {
    name: &'static str,
    bucket: Bucket,
    orders: i32,
    journal: Arc<OrderJournal>,
    pauses: Vec<f64>,
    pauses_of_others: Vec<f64>,
    rates_before: Vec<f64>,
    ratios: Vec<f64>,
}

impl Case {
    fn new(name: &'static str, (bucket, orders): (Bucket, i32)) -> Case {
        Case {
            name,
            bucket,
            orders,
            journal: OrderJournal::new(),
            pauses: Vec::new(),
            pauses_of_others: Vec::new(),
            rates_before: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Moves the bucket once, under load.
    async fn measure(&mut self, store: &Store) -> anyhow::Result<()> {
        let bucket = self.bucket;
        let to = store.other_shard(bucket).await?;
        let names = store.customers.iter().cloned();
        let (own, others): (Vec<String>, Vec<String>) =
            names.partition(|name| bucket_of_customer(name) == bucket);
        let mut clients = Vec::new();
        for clone in &store.clones {
            let journal = &self.journal;
            clients.extend(journal.start_clients(CLIENTS.0 / 2, clone, &own, INTERVAL));
            clients.extend(journal.start_clients(CLIENTS.1 / 2, clone, &others, INTERVAL));
        }
        sleep(WINDOW / 2 + WINDOW).await;
        let start = Instant::now();
        if self.name == "naive" {
            let copied = NaiveMove::copy(&store.mover, bucket, to).await?;
            copied.switch().await?;
        } else {
            store.mover.move_bucket(bucket, to, |_| ()).await?;
        }
        let end = Instant::now();
        sleep(WINDOW / 2).await;
        self.journal.stop(clients).await;

        let confirmed = self.journal.confirmed();
        let slowest = |is_own: bool| {
            let overlaps = |order: &&ConfirmedOrder| {
                (order.bucket() == bucket) == is_own && order.end > start && order.start < end
            };
            let times = confirmed.iter().filter(overlaps);
            times
                .map(|order| (order.end - order.start).as_secs_f64() * 1e3)
                .reduce(f64::max)
        };
        let rate = |from: Instant, to: Instant| {
            let is_within = |order: &&ConfirmedOrder| {
                order.bucket() != bucket && order.end > from && order.end <= to
            };
            confirmed.iter().filter(is_within).count() as f64 / (to - from).as_secs_f64()
        };
        let before = rate(start - WINDOW, start);
        self.pauses.extend(slowest(true));
        self.pauses_of_others.extend(slowest(false));
        self.rates_before.push(before);
        self.ratios.push(rate(start, end) / before);
        Ok(())
    }

    async fn print(&self, store: &Store) -> anyhow::Result<()> {
        let compared = self.journal.compare(&store.shards).await?;
        ensure!(
            self.name == "naive" || compared.lost + compared.duplicated == 0,
            "the online move is wrong: {compared:?}"
        );
        let spread = |values: &[f64]| {
            Spread::of(values.iter().copied())
                .map_or("-".to_owned(), |spread| format!("{spread:.0}"))
        };
        let ratio = Spread::of(self.ratios.iter().copied()).context("no moves")?;
        println!(
            "{:<8}{:>9}{:>11}{:>6}{:>12}{:>20}{:>18}{:>18}{:>22}",
            self.name,
            self.orders,
            compared.confirmed,
            compared.lost,
            compared.duplicated,
            spread(&self.pauses),
            spread(&self.pauses_of_others),
            spread(&self.rates_before),
            format!("{ratio:.2}")
        );
        Ok(())
    }
}
