//! Reads per second with 0 to 4 replicas.
//!
//! Each server has a small CPU quota, so that one more server is one more resource, although all of
//! them share one machine. Each read is one page of the list of games, which costs the server
//! enough for the quota to be the limit, and not the client.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::GameQuery;
use ch02_database::postgres::{ReadPool, connect, connect_replica, migrate};
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency, PgCatalog};
use futures_util::future::try_join_all;
use loadgen::plots::{Axis, Look, Plot, Point, Series};
use measurement::{Settings, Spread, machine};
use sqlx::PgPool;
use testbed::PostgresCluster;

/// The CPU quota of each server, in processors.
const CPUS: f64 = 0.1;

/// The measured numbers of replicas.
const REPLICAS: [usize; 4] = [0, 1, 2, 4];

/// The reads that wait at the same time, for each server that answers.
const READERS_PER_SERVER: usize = 4;

/// Measures all numbers of replicas in interleaved rounds and prints the medians.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, window) = if settings.quick { (1, 300) } else { (5, 3_000) };
    let window = Duration::from_millis(window);
    println!("Reads per second with 0 to 4 replicas, each server with a CPU quota of {CPUS}");
    println!("Machine: {}\n", machine::facts());

    let cluster = PostgresCluster::start(REPLICAS[REPLICAS.len() - 1]).await?;
    let (primary, replicas) = fill(&cluster).await?;
    for server in cluster.replicas().iter().chain([cluster.primary()]) {
        server.limit_cpus(CPUS).await?;
    }
    let mut rates = vec![Vec::new(); REPLICAS.len()];
    for _ in 0..rounds {
        for (rates, count) in rates.iter_mut().zip(REPLICAS) {
            let replicas = replicas[..count].to_vec();
            let catalog =
                PgCatalog::open(primary.clone(), replicas, RouterSettings::default()).await;
            rates.push(reads_per_second(&catalog, count.max(1), window).await?);
        }
    }
    print(&rates);
    println!("Machine at the end: {}", machine::facts());
    settings.draw("ch02-replicas.svg", || draw(&rates))
}

/// Fills the primary, and waits until all replicas have the games.
async fn fill(cluster: &PostgresCluster) -> anyhow::Result<(PgPool, Vec<ReadPool>)> {
    let primary = connect(&cluster.url())?;
    let urls = cluster.replica_urls();
    let replicas: Vec<ReadPool> = urls
        .iter()
        .map(|url| connect_replica(url))
        .collect::<Result<_, _>>()?;
    let shards = [primary.clone()];
    migrate(&primary, &shards).await?;
    let request = SeedRequest {
        games: Some(500),
        shards: Some(1),
        ..SeedRequest::default()
    };
    seed_store(&primary, &shards, request, |_, _| ()).await?;
    PgCatalog::open(primary.clone(), replicas.clone(), RouterSettings::default()).await;
    Ok((primary, replicas))
}

/// Reads in a closed loop for the length of the window.
async fn reads_per_second(
    catalog: &PgCatalog,
    servers: usize,
    window: Duration,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let reader = async || {
        let mut reads = 0_u32;
        while start.elapsed() < window {
            let page = catalog
                .list(&GameQuery::default(), Consistency::Eventual)
                .await?;
            anyhow::ensure!(!page.value.items.is_empty(), "a page without games");
            reads += 1;
        }
        Ok(reads)
    };
    let readers = (0..servers * READERS_PER_SERVER).map(|_| reader());
    let reads: u32 = try_join_all(readers).await?.iter().sum();
    Ok(f64::from(reads) / start.elapsed().as_secs_f64())
}

/// The ratio to one replica in the same round.
fn times_one(rates: &[Vec<f64>], index: usize) -> Option<Spread> {
    let one = &rates[1];
    Spread::of(rates[index].iter().zip(one).map(|(many, one)| many / one))
}

fn print(rates: &[Vec<f64>]) {
    println!(
        "   {:>8}  {:>22}  {:>20}",
        "replicas", "reads/s", "ratio to one"
    );
    for (index, count) in REPLICAS.into_iter().enumerate() {
        let rate = Spread::of(rates[index].iter().copied());
        let rate = rate.map_or(String::new(), |rate| format!("{rate:.0}"));
        let times = times_one(rates, index).map_or(String::new(), |times| times.to_string());
        println!("   {count:>8}  {rate:>22}  {times:>20}");
    }
    println!("\n   Without a replica, the primary answers. With replicas, it is free for writes.");
    for (index, count) in REPLICAS.into_iter().enumerate().skip(2) {
        if let Some(times) = times_one(rates, index) {
            let share = times.median / count as f64;
            println!("   {count} replicas: {share:.2} of {count} times one replica.");
        }
    }
    println!();
}

fn draw(rates: &[Vec<f64>]) -> anyhow::Result<String> {
    let spreads: Vec<Spread> = rates
        .iter()
        .map(|rates| Spread::of(rates.iter().copied()).context("a number of replicas has no round"))
        .collect::<Result<_, _>>()?;
    let points = REPLICAS.iter().zip(&spreads).map(|(count, rate)| Point {
        x: *count as f64,
        y: rate.median,
        spread: (rate.min, rate.max),
    });
    let most = spreads.iter().map(|rate| rate.max).fold(1.0, f64::max);
    let one = spreads[1].median;
    let linear = REPLICAS[1..]
        .iter()
        .map(|count| Point::exact(*count as f64, one * *count as f64));
    let plot = Plot {
        title: "Reads per second by the number of replicas",
        description: "With one replica there are as many reads as with the primary alone. With two \
                      and four replicas there are nearly two and four times as many. Dots are \
                      medians, with a line from the least to the greatest value.",
        x: Axis::new("replicas", -0.5..4.5),
        y: Axis::new("reads/s", 0.0..most * 1.15),
        series: vec![
            Series {
                name: "measured",
                points: points.collect(),
                look: Look::Dots,
                colour: 0,
            },
            Series {
                name: "linear",
                points: linear.collect(),
                look: Look::Dashed,
                colour: 3,
            },
        ],
    };
    Ok(plot.svg()?)
}
