//! Measures orders per second on 1, 2 and 4 shards, each a server with the same CPU quota.
//!
//! The quota makes one more server one more resource, also on a machine with two cores. Clients
//! place orders in a closed loop, for customers of all buckets. Each round measures every number of
//! shards, and the ratio to one shard is computed within the round.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::model::NewOrder;
use ch02_database::postgres::{connect, migrate};
use ch02_database::seed::generator::{DEFAULT_SEED, Generator};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Orders, PgOrders};
use futures_util::future::try_join_all;
use loadgen::plots::{Axis, Look, Plot, Point, Series};
use measurement::{Settings, Spread, machine};
use sqlx::PgPool;
use testbed::{Postgres, Server, Service};
use tokio::task::JoinSet;

/// The numbers of shards.
const CASES: [usize; 3] = [1, 2, 4];
/// The CPU quota of a shard's server. Four servers and the clients must fit into two cores.
const CPUS: f64 = 0.12;
/// The clients of each shard. Enough to keep its server busy.
const CLIENTS_PER_SHARD: usize = 8;

/// Measures all cases and prints the results.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, window) = if settings.quick { (1, 1) } else { (7, 6) };
    let window = Duration::from_secs(window);
    println!("Orders per second on 1, 2 and 4 shards, each with {CPUS} processors");
    println!("Machine: {}\n", machine::facts());
    let mut cases = Vec::new();
    for shards in CASES {
        cases.push(Case::start(shards).await?);
    }
    for case in &cases {
        case.measure(window / 3).await?;
    }
    let mut rates = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for (case, rates) in cases.iter().zip(&mut rates) {
            rates.push(case.measure(window).await?);
        }
    }
    println!(
        "   {:>6} {:>24} {:>20} {:>10}",
        "shards", "orders/s", "times one shard", "of linear"
    );
    let mut points = Vec::new();
    for (shards, rates_of_case) in CASES.into_iter().zip(&rates) {
        let ratios = rates_of_case
            .iter()
            .zip(&rates[0])
            .map(|(rate, one)| rate / one);
        let ratio = Spread::of(ratios).context("no rounds")?;
        let rate = Spread::of(rates_of_case.iter().copied()).context("no rounds")?;
        let of_linear = ratio.median / shards as f64;
        println!("   {shards:>6} {rate:>24.0} {ratio:>20.2} {of_linear:>10.2}");
        points.push(Point {
            x: shards as f64,
            y: ratio.median,
            spread: (ratio.min, ratio.max),
        });
    }
    println!(
        "\n   {rounds} interleaved rounds of {} s; median (smallest–largest).",
        window.as_secs()
    );
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch02-shards.svg", || draw(points))
}

/// A store on a number of servers.
struct Case {
    orders: Arc<PgOrders>,
    customers: Arc<Vec<String>>,
    next_key: Arc<AtomicU64>,
    shards: usize,
    /// Kept, because dropping them removes them.
    _servers: (Postgres, Vec<Server>),
}

impl Case {
    async fn start(shards: usize) -> anyhow::Result<Self> {
        let catalog = testbed::postgres().await?;
        let servers = try_join_all((0..shards).map(|_| Server::start(Service::Postgres))).await?;
        let primary = connect(&catalog.url())?;
        let pools = servers.iter().map(|server| connect(&server.url()));
        let pools: Vec<PgPool> = pools.collect::<Result<_, _>>()?;
        migrate(&primary, &pools).await?;
        let request = SeedRequest {
            games: Some(60),
            ..SeedRequest::default()
        };
        seed_store(&primary, &pools, request, |_, _| ()).await?;
        for server in &servers {
            server.limit_cpus(CPUS).await?;
        }
        Ok(Case {
            orders: Arc::new(PgOrders::open(&primary, pools).await?),
            customers: Arc::new(Generator::new(DEFAULT_SEED).customers().to_vec()),
            next_key: Arc::new(AtomicU64::new(0)),
            shards,
            _servers: (catalog, servers),
        })
    }

    /// Orders per second. Each shard has its own clients, so a full shard does not stop the others.
    async fn measure(&self, window: Duration) -> anyhow::Result<f64> {
        let start = Instant::now();
        let mut clients = JoinSet::new();
        for client in 0..self.shards * CLIENTS_PER_SHARD {
            let shard = client % self.shards;
            let own = |name: &&String| self.orders.shard_of_customer(name) == shard;
            let customers: Vec<String> = self.customers.iter().filter(own).cloned().collect();
            let (orders, next_key) = (self.orders.clone(), self.next_key.clone());
            clients.spawn(async move {
                let mut placed = 0;
                while start.elapsed() < window {
                    let key = next_key.fetch_add(1, Ordering::Relaxed);
                    let new = NewOrder {
                        customer: customers[key as usize % customers.len()].clone(),
                        game_id: 7,
                        quantity: 1,
                        unit_price_cents: 1_999,
                        idempotency_key: key.to_string(),
                        payment_reference: None,
                    };
                    orders.place(&new).await?;
                    placed += 1;
                }
                anyhow::Ok(placed)
            });
        }
        let mut placed = 0_u32;
        while let Some(client) = clients.join_next().await {
            placed += client??;
        }
        Ok(f64::from(placed) / start.elapsed().as_secs_f64())
    }
}

fn draw(points: Vec<Point>) -> anyhow::Result<String> {
    let linear = CASES.map(|n| Point {
        x: n as f64,
        y: n as f64,
        spread: (n as f64, n as f64),
    });
    let plot = Plot {
        title: "Orders per second, relative to one shard",
        description: "The measured points for one, two and four shards lie close to the straight line of linear scaling.",
        x: Axis::new("shards", 0.0..5.0),
        y: Axis::new("times one shard", 0.0..5.0),
        series: vec![
            Series {
                name: "linear",
                points: linear.to_vec(),
                look: Look::Line,
                colour: 1,
            },
            Series {
                name: "measured",
                points,
                look: Look::Dots,
                colour: 0,
            },
        ],
    };
    plot.svg().context("the shards could not be drawn")
}
