//! Stale reads directly after a write: any replica, the time window of Rails, and the token.
//!
//! Each client writes a price and reads it again, as often as `--pairs` says in all. The lag limits
//! are off, because a monitor that ejects late replicas would hide the stale reads.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::GameChange;
use ch02_database::postgres::{ReadPool, connect, connect_replica, migrate};
use ch02_database::replication::{LagLimits, RouterSettings, TimeWindow};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency, GameId, Node, PgCatalog};
use clap::Args;
use futures_util::future::try_join_all;
use measurement::machine;
use sqlx::Executor;
use testbed::{Fault, PostgresCluster};
use tokio::time::sleep;

/// The clients at the same time. Each has a game of its own.
const CLIENTS: usize = 16;

/// The time window. Two seconds, the value of Rails, would make the experiment last for hours.
const WINDOW: Duration = Duration::from_millis(20);

/// The lag that is larger than the window.
const DELAY: Duration = Duration::from_millis(500);

/// The settings of the experiment.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The number of writes, each with a read after it, per row of the table
    #[arg(long, default_value_t = 50_000)]
    pairs: usize,
    /// A few pairs only: a test that the experiment works
    #[arg(long)]
    quick: bool,
}

/// How a session reads after its write.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// At once, from any replica.
    Naive,
    /// From the primary within the window. This read comes directly after the window.
    Window,
    /// At once, with the token of the write.
    Token,
}

pub async fn run(mut arguments: Arguments) -> anyhow::Result<()> {
    if arguments.quick {
        arguments.pairs = 320;
    }
    println!(
        "{} pairs of a write and a read per row, {CLIENTS} clients, two replicas; {}",
        arguments.pairs,
        machine::facts()
    );
    println!(
        "{:<14} {:<26} {:>10} {:>9} {:>14} {:>12}",
        "lag", "read", "stale", "stale, %", "on replicas, %", "read p50, ms"
    );
    let cluster = PostgresCluster::builder().replicas(2).wal_links();
    let cluster = cluster.start().await?;
    let catalog = open(&cluster).await?;
    for lag in ["normal", "500 ms", "replay paused"] {
        set_lag(&cluster, lag).await?;
        for way in [Way::Naive, Way::Window, Way::Token] {
            let found = count(&catalog, way, arguments.pairs).await?;
            let name = match way {
                Way::Naive => "any replica".to_owned(),
                Way::Window => format!("after a window of {WINDOW:?}"),
                Way::Token => "with the token".to_owned(),
            };
            let percent = |count: usize| 100.0 * count as f64 / found.times.len() as f64;
            println!(
                "{lag:<14} {name:<26} {:>10} {:>9.2} {:>14.1} {:>12.2}",
                found.stale,
                percent(found.stale),
                percent(found.on_replicas),
                found.times[found.times.len() / 2].as_secs_f64() * 1e3
            );
        }
    }
    Ok(())
}

async fn open(cluster: &PostgresCluster) -> anyhow::Result<PgCatalog> {
    let primary = connect(&cluster.url())?;
    let urls = cluster.replica_urls();
    let replicas: Vec<ReadPool> = urls
        .iter()
        .map(|url| connect_replica(url))
        .collect::<Result<_, _>>()?;
    let shard = testbed::postgres().await?;
    let shards = [connect(&shard.url())?];
    migrate(&primary, &shards).await?;
    let request = SeedRequest {
        games: Some(CLIENTS as u32),
        ..SeedRequest::default()
    };
    seed_store(&primary, &shards, request, |_, _| ()).await?;
    let settings = RouterSettings {
        lag_limits: LagLimits {
            bytes: u64::MAX,
            time: Duration::MAX,
        },
        token_wait: Duration::from_millis(10),
        ..RouterSettings::default()
    };
    Ok(PgCatalog::open(primary, replicas, settings).await)
}

async fn set_lag(cluster: &PostgresCluster, lag: &str) -> anyhow::Result<()> {
    for (index, url) in cluster.replica_urls().iter().enumerate() {
        let link = cluster.wal_link(index);
        link.heal();
        match lag {
            "500 ms" => link.inject(Fault::Latency {
                delay: DELAY,
                jitter: Duration::ZERO,
            }),
            "replay paused" => {
                connect(url)?
                    .execute("SELECT pg_wal_replay_pause()")
                    .await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the clients have found.
#[derive(Default)]
struct Found {
    stale: usize,
    on_replicas: usize,
    times: Vec<Duration>,
}

async fn count(catalog: &PgCatalog, way: Way, pairs: usize) -> anyhow::Result<Found> {
    let clients = (0..CLIENTS).map(|client| one_client(catalog, way, client, pairs / CLIENTS));
    let mut found = Found::default();
    for client in try_join_all(clients).await? {
        found.stale += client.stale;
        found.on_replicas += client.on_replicas;
        found.times.extend(client.times);
    }
    found.times.sort();
    Ok(found)
}

async fn one_client(
    catalog: &PgCatalog,
    way: Way,
    client: usize,
    pairs: usize,
) -> anyhow::Result<Found> {
    let id = client as GameId + 1;
    let mut session = TimeWindow::new(WINDOW);
    let mut found = Found::default();
    let first = catalog.game(id, Consistency::Primary).await?;
    let first = first.value.context("the game is missing")?.price_cents;
    for price in first + 1..=first + pairs as i64 {
        let change = GameChange {
            price_cents: Some(price),
            description: None,
        };
        let written = catalog.change(id, &change).await?;
        session.record_write(Instant::now());
        let consistency = match way {
            Way::Naive => Consistency::Eventual,
            Way::Token => Consistency::from(written.token),
            Way::Window => {
                sleep(WINDOW).await;
                session.consistency(Instant::now())
            }
        };
        let start = Instant::now();
        let read = catalog.game(id, consistency).await?;
        found.times.push(start.elapsed());
        let shown = read.value.context("the game is missing")?.price_cents;
        found.stale += usize::from(shown != price);
        found.on_replicas += usize::from(read.node != Node::Primary);
    }
    Ok(found)
}
