//! The guided demonstration on its own servers: stale reads, a killed replica, sharded orders, a
//! moving bucket, a denormalised page, a fail-over.

mod bucket_move;
mod failover;
mod naive;
mod product_page;
mod replication;
mod sharding;

use std::time::Instant;

use ch02_database::postgres::{ReadPool, connect, connect_replica, migrate};
use ch02_database::replication::RouterSettings;
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::{Consistency, Naive, PgCatalog, PgOrders};
use sqlx::PgPool;
use testbed::{Postgres, PostgresCluster};

use crate::cli::DemoArguments;

/// The number of shards.
const SHARDS: usize = 4;

/// Runs all parts, one after the other.
pub async fn run(arguments: DemoArguments) -> anyhow::Result<()> {
    let DemoArguments {
        pairs,
        games,
        stay,
        naive,
    } = arguments;
    let is_naive = |technique| naive.contains(&technique);
    let start = Instant::now();
    println!("starting a primary with two replicas, and {SHARDS} databases for the shards …");
    let cluster = PostgresCluster::builder()
        .replicas(2)
        .setting("shared_preload_libraries", "pg_stat_statements")
        .start()
        .await?;
    let databases = start_shard_databases().await?;
    let primary = connect(&cluster.url())?;
    let replicas: Vec<ReadPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url))
        .collect::<Result<_, _>>()?;
    let shards: Vec<PgPool> = databases
        .iter()
        .map(|database| connect(&database.url()))
        .collect::<Result<_, _>>()?;
    migrate(&primary, &shards).await?;
    let request = SeedRequest {
        games: Some(games),
        ..SeedRequest::default()
    };
    seed_store(&primary, &shards, request, |_, _| ()).await?;
    println!(
        "the store has {games} games, {:.1} s after the start\n",
        start.elapsed().as_secs_f64()
    );

    // Opening waits for the replicas, so both have all games.
    let settings = RouterSettings::default().naive(&naive);
    let catalog = PgCatalog::open(primary.clone(), replicas, settings).await;

    println!("1. Naive: the read after a write asks any replica.");
    replication::count_stale_reads(&catalog, pairs, |_| Consistency::Eventual).await?;
    if is_naive(Naive::Token) {
        println!("2. `--naive token`: the router ignores the token of the write.");
    } else {
        println!("2. Fixed: the read after a write brings the token of the write.");
    }
    let stale = replication::count_stale_reads(&catalog, pairs, Consistency::AtLeast).await?;
    if is_naive(Naive::Token) {
        naive::report(Naive::Token, stale, &format!("of {pairs} reads are stale"));
    }
    println!("3. replica-1 is killed during reads.");
    replication::kill_a_replica(&cluster, &catalog).await?;
    if is_naive(Naive::ModuloSharding) {
        println!("4. `--naive modulo-sharding`: the shard of a bucket is `bucket % shards`.");
        naive::add_a_shard_by_modulo(&primary).await?;
    } else {
        println!("4. Orders on four shards.");
        sharding::place_orders(&PgOrders::open(&primary, shards.clone()).await?, games).await?;
    }
    println!("5. A bucket moves to another shard while its customers order.");
    if is_naive(Naive::MapEpoch) {
        naive::move_a_bucket_without_epoch(&primary, &shards).await?;
    } else {
        bucket_move::move_a_bucket(&primary, &shards).await?;
    }
    println!("6. The product page: normalised, and denormalised as a document.");
    product_page::compare(&primary, &cluster.url(), &shards).await?;
    println!("7. Fail-over: a primary with two synchronous standbys is killed during writes.");
    failover::kill_the_primary(&naive).await?;
    println!(
        "the demonstration took {:.0} s\n",
        start.elapsed().as_secs_f64()
    );
    if stay {
        wait_with_instructions(&cluster).await
    } else {
        print_next_steps();
        Ok(())
    }
}

/// Four databases on one server. On four servers only their addresses would differ.
async fn start_shard_databases() -> Result<Vec<Postgres>, testbed::Error> {
    let mut databases = Vec::new();
    for _ in 0..SHARDS {
        databases.push(testbed::postgres().await?);
    }
    Ok(databases)
}

fn print_next_steps() {
    println!("Try it yourself:");
    for (command, purpose) in [
        (
            "cargo run -p ch02-database -- --stay",
            "keeps the servers running and prints commands for them",
        ),
        (
            "cargo run -p ch02-database -- --pairs 2000",
            "more pairs: is the share of stale reads the same?",
        ),
        (
            "cargo test -p ch02-database server_failures",
            "a killed primary, a killed replica, a killed shard",
        ),
    ] {
        println!("  {command:<43}  {purpose}");
    }
}

/// Prints commands for the running servers, then waits for Ctrl-C.
async fn wait_with_instructions(cluster: &PostgresCluster) -> anyhow::Result<()> {
    println!(
        "The servers run until Ctrl-C. Pause a replica's replay, change a price, ask all three:"
    );
    let psql = |container: &str, sql: &str| {
        println!("  docker exec {container} psql -h 127.0.0.1 -U workshop -c \"{sql}\"");
    };
    let (primary, replica) = (cluster.primary().name(), cluster.replicas()[0].name());
    psql(replica, "SELECT pg_wal_replay_pause()");
    psql(primary, "UPDATE games SET price_cents = 4 WHERE id = 7");
    for container in [primary, replica, cluster.replicas()[1].name()] {
        psql(container, "SELECT price_cents FROM games WHERE id = 7");
    }
    psql(replica, "SELECT pg_wal_replay_resume()");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
