//! `experiment vertical`: a larger primary instead of more servers.
//!
//! The machine has few processors, and the client needs some of them. So one unit of the server is
//! a share of a processor, by quota: twice the quota is a server with twice the processors.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::product_page::{PageQuery, product_page};
use ch02_database::postgres::{ReadPool, connect, migrate};
use ch02_database::seed::{SeedRequest, seed_store};
use futures_util::future::try_join_all;
use measurement::{Settings, Spread, machine};
use testbed::{Server, Service};

/// One unit of the server, in processors.
const UNIT: f64 = 0.3;

/// The values of `shared_buffers`.
const MEMORY: [&str; 2] = ["1MB", "256MB"];

const CLIENTS: usize = 4;

/// Measures pages per second for one and two units and for little and much memory.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (games, duration, rounds) = if settings.quick {
        (60, Duration::from_millis(200), 1)
    } else {
        (10_000, Duration::from_secs(2), 7)
    };
    let mut servers = Vec::new();
    let shard = testbed::postgres().await?;
    let shards = [connect(&shard.url())?];
    for memory in MEMORY {
        let server = Server::builder(Service::Postgres)
            .setting("shared_buffers", memory)
            .start()
            .await?;
        let pool = connect(&server.url())?;
        migrate(&pool, &shards).await?;
        let request = SeedRequest {
            games: Some(games),
            ..SeedRequest::default()
        };
        seed_store(&pool, &shards, request, |_, _| ()).await?;
        let reads = ReadPool::of(&pool);
        // Opens the connections and reads the tables once.
        pages_per_second(&reads, i64::from(games), duration).await?;
        servers.push((server, reads));
    }
    // By server, then by units.
    let mut rates = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..rounds {
        for ((server, reads), rates) in servers.iter().zip(&mut rates) {
            for (units, rates) in [1.0, 2.0].into_iter().zip(rates) {
                server.limit_cpus(UNIT * units).await?;
                rates.push(pages_per_second(reads, i64::from(games), duration).await?);
            }
        }
    }
    println!(
        "{CLIENTS} clients, {rounds} rounds of {duration:?}; one unit is {UNIT} processors; {}",
        machine::facts()
    );
    for (memory, rates) in MEMORY.iter().zip(&rates) {
        let [one, two] = [0, 1].map(|units| Spread::of(rates[units].iter().copied()));
        let ratio = Spread::of(rates[1].iter().zip(&rates[0]).map(|(two, one)| two / one));
        println!(
            "shared_buffers {memory:>5}: {:>24.0} pages/s with 1 unit, {:>24.0} with 2, ratio {}",
            one.context("no round")?,
            two.context("no round")?,
            ratio.context("no round")?
        );
    }
    let memory = rates[1][0].iter().zip(&rates[0][0]);
    let ratio = Spread::of(memory.map(|(much, little)| much / little));
    println!(
        "{} / {}, 1 unit: ratio {}",
        MEMORY[1],
        MEMORY[0],
        ratio.context("no round")?
    );
    Ok(())
}

async fn pages_per_second(
    server: &ReadPool,
    games: i64,
    duration: Duration,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let client = async |number: usize| -> Result<u32, sqlx::Error> {
        let mut pages = 0;
        while start.elapsed() < duration {
            let id = (i64::from(pages) * 7_919 + number as i64 * 31) % games + 1;
            product_page(server, id, PageQuery::Join).await?;
            pages += 1;
        }
        Ok(pages)
    };
    let pages = try_join_all((0..CLIENTS).map(client)).await?;
    Ok(f64::from(pages.iter().sum::<u32>()) / start.elapsed().as_secs_f64())
}
