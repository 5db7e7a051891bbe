//! What the read router adds to a query, against the driver on the same pool.
//!
//! The queries alternate, so that other load on the machine affects all of them equally. The cost
//! of the router contains the decoding of the row, which the bare query leaves out.

use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::postgres::{connect, connect_replica, migrate};
use ch02_database::replication::{LagLimits, RouterSettings};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Catalog, Consistency, ConsistencyToken, GameId, PgCatalog};
use measurement::{Settings, Spread, machine};
use testbed::PostgresCluster;

const GAMES: GameId = 60;

/// Measures in rounds and prints the medians of each round.
pub(super) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let (rounds, queries) = if settings.quick { (1, 50) } else { (9, 2_000) };
    let cluster = PostgresCluster::start(1).await?;
    let primary = connect(&cluster.url())?;
    let shard = testbed::postgres().await?;
    let shards = [connect(&shard.url())?];
    migrate(&primary, &shards).await?;
    let request = SeedRequest {
        games: Some(GAMES as u32),
        ..SeedRequest::default()
    };
    seed_store(&primary, &shards, request, |_, _| ()).await?;
    let replica = connect_replica(&cluster.replica_urls()[0])?;
    let router = RouterSettings {
        lag_limits: LagLimits {
            bytes: u64::MAX,
            time: Duration::MAX,
        },
        ..RouterSettings::default()
    };
    let catalog = PgCatalog::open(primary, vec![replica.clone()], router).await;

    let mut medians = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for number in 0..queries {
            let id = number % GAMES + 1;
            let start = Instant::now();
            let query = sqlx::query("SELECT * FROM games WHERE id = $1").bind(id);
            let row = replica.fetch_optional(query).await?;
            times[0].push(start.elapsed());
            row.context("a game is missing")?;
            let token = Consistency::AtLeast(ConsistencyToken::START);
            for (times, consistency) in times[1..].iter_mut().zip([Consistency::Eventual, token]) {
                let start = Instant::now();
                let read = catalog.game(id, consistency).await?;
                times.push(start.elapsed());
                read.value.context("a game is missing")?;
            }
        }
        for (medians, mut times) in medians.iter_mut().zip(times) {
            times.sort();
            medians.push(times[times.len() / 2].as_secs_f64() * 1e6);
        }
    }

    println!(
        "p50 of {queries} queries a round, {rounds} rounds, in microseconds; {}",
        machine::facts()
    );
    let [bare, eventual, token] = &medians;
    for (name, values) in [
        ("the driver alone", bare),
        ("through the router", eventual),
        ("and a token for the next read", token),
    ] {
        let added = Spread::of(values.iter().zip(bare).map(|(with, bare)| with - bare));
        let spread = Spread::of(values.iter().copied());
        println!(
            "{name:<30} {:>24.1}, added {:>24.1}",
            spread.context("no round")?,
            added.context("no round")?
        );
    }
    Ok(())
}
