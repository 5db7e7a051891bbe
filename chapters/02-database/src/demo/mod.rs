//! The guided demonstration, on servers of its own: what a replica gives, what it costs, and how orders are spread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::GameChange;
use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::postgres::{connect, connect_replica, migrate};
use ch02_database::seed::generator::{Generator, SAMPLE_ORDERS};
use ch02_database::seed::{SeedRequest, seed_store};
use ch02_database::sharding::bucket_of_order;
use ch02_database::{Catalog, Orders, PgCatalog, PgOrders, ShardMap};
use sqlx::PgPool;
use testbed::{Postgres, PostgresCluster};

/// How many orders are placed on the shards.
const NEW_ORDERS: usize = 400;

/// Runs all parts, one after the other.
pub async fn run(pairs: u32, games: u32, stay: bool) -> anyhow::Result<()> {
    let begin = Instant::now();
    println!("starting a primary with two replicas, and four databases for the shards …");
    let cluster = PostgresCluster::start(2).await?;
    let databases = shard_databases().await?;
    let primary = connect(&cluster.url())?;
    let replicas: Vec<PgPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url))
        .collect::<Result<_, _>>()?;
    let shards: Vec<PgPool> = databases
        .iter()
        .map(|database| connect(&database.url()))
        .collect::<Result<_, _>>()?;
    migrate(&primary, &shards).await?;
    let sizes = SeedRequest {
        games: Some(games),
        ..SeedRequest::default()
    };
    seed_store(&primary, &shards, sizes, |_, _| ()).await?;
    println!(
        "{games} games are in the store, {:.1} s after the start\n",
        begin.elapsed().as_secs_f64()
    );

    let catalog =
        async |patience| PgCatalog::open(primary.clone(), replicas.clone(), patience).await;
    // Waits, so both replicas have all games.
    let fixed = catalog(Some(PgCatalog::REPLICATION_TIMEOUT)).await;

    println!("1. Naive: a write answers when the primary has it. The next read goes to a replica.");
    write_then_read(&catalog(None).await, pairs).await?;
    println!("2. Fixed: a write answers when the replicas have it too.");
    write_then_read(&fixed, pairs).await?;
    println!("3. replica-1 is killed while reads go on.");
    lose_a_replica(&cluster, &fixed).await?;
    println!("4. Orders, over four shards.");
    spread_orders(&PgOrders::new(shards), games).await?;
    println!("all of it took {:.0} s\n", begin.elapsed().as_secs_f64());
    by_hand(&cluster, stay).await
}

/// Databases on one server here. On four servers nothing but their addresses would be different.
async fn shard_databases() -> Result<Vec<Postgres>, testbed::Error> {
    let mut databases = Vec::new();
    for _ in 0..4 {
        databases.push(testbed::postgres().await?);
    }
    Ok(databases)
}

async fn change(catalog: &PgCatalog, price_cents: i64) -> anyhow::Result<()> {
    let change = GameChange {
        price_cents: Some(price_cents),
        description: None,
    };
    catalog
        .change(7, &change)
        .await?
        .context("there is no game 7")?;
    Ok(())
}

/// Changes the price of game 7 and looks at it at once, again and again.
async fn write_then_read(catalog: &PgCatalog, pairs: u32) -> anyhow::Result<()> {
    let mut answered = BTreeMap::new();
    let mut stale = 0;
    let mut writes = Vec::new();
    for price in 1..=i64::from(pairs) {
        let begin = Instant::now();
        change(catalog, price).await?;
        writes.push(begin.elapsed());
        let read = catalog.game(7).await?;
        *answered.entry(read.node.to_string()).or_insert(0) += 1;
        stale += u32::from(read.value.context("there is no game 7")?.price_cents != price);
    }
    writes.sort();
    println!("   {pairs} times a price was changed and read: {stale} reads showed the old price");
    println!(
        "   reads: {}; a write took {:.1} ms (median)\n",
        counts(&answered),
        writes[writes.len() / 2].as_secs_f64() * 1_000.0
    );
    Ok(())
}

async fn lose_a_replica(cluster: &PostgresCluster, catalog: &PgCatalog) -> anyhow::Result<()> {
    let is_dead = AtomicBool::new(false);
    let reads = async {
        let (mut before, mut after, mut slowest) =
            (BTreeMap::new(), BTreeMap::new(), Duration::ZERO);
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            let begin = Instant::now();
            let read = catalog.game(7).await.context("a read failed")?;
            slowest = slowest.max(begin.elapsed());
            let answered = if is_dead.load(Ordering::Relaxed) {
                &mut after
            } else {
                &mut before
            };
            *answered.entry(read.node.to_string()).or_insert(0) += 1;
        }
        anyhow::Ok((before, after, slowest))
    };
    let killing = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let killed = cluster.replicas()[0].kill().await;
        is_dead.store(true, Ordering::Relaxed);
        killed
    };
    let (reads, killed) = tokio::join!(reads, killing);
    killed?;
    let (before, after, slowest) = reads?;
    println!("   reads before its end: {}", counts(&before));
    println!("   reads after its end:  {}", counts(&after));
    println!(
        "   none failed; the slowest took {:.0} ms: it was asked again elsewhere",
        slowest.as_secs_f64() * 1_000.0
    );

    let begin = Instant::now();
    cluster.replicas()[0].start_again().await?;
    while catalog.game(7).await?.node.to_string() != "replica-1" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!(
        "   replica-1 is started again, and answers reads {:.1} s later\n",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn spread_orders(orders: &PgOrders, games: u32) -> anyhow::Result<()> {
    let generator = Generator::new(42);
    let mut newest = None;
    for (number, customer) in generator.customers().iter().take(NEW_ORDERS).enumerate() {
        let order = NewOrder {
            customer: customer.clone(),
            game_id: number as i64 % i64::from(games) + 1,
            quantity: 1,
            unit_price_cents: 1_999,
            idempotency_key: "demo".to_owned(),
        };
        // A client that did not hear the answer sends its order again.
        orders.place(&order).await?;
        if let PlaceOutcome::AlreadyPlaced(order) = orders.place(&order).await? {
            newest = Some(order);
        }
    }
    let order = newest.context("no order was placed")?;
    println!(
        "   {SAMPLE_ORDERS} sample orders and {NEW_ORDERS} new ones, each sent twice: {:?}",
        orders.count_by_shard().await?
    );
    println!(
        "   order {} of {} → bucket {} → shard {}: its id alone says whom to ask",
        order.id,
        order.customer,
        bucket_of_order(order.id),
        orders.shard_of_order(order.id)
    );
    let (four, five) = (ShardMap::even(4), ShardMap::even(5));
    let moved = |moves: &dyn Fn(i64) -> bool| (1..=SAMPLE_ORDERS).filter(|id| moves(*id)).count();
    let by_hash = moved(&|id| bucket_of_order(id) % 4 != bucket_of_order(id) % 5);
    let by_map = moved(&|id| four.owner(bucket_of_order(id)) != five.owner(bucket_of_order(id)));
    println!(
        "   a fifth shard would move {by_hash} of {SAMPLE_ORDERS} orders by `hash % shards`, {by_map} by dealing all buckets out"
    );
    println!(
        "   anew, and {} by moving only the new shard's buckets, whole: this chapter's later lesson\n",
        SAMPLE_ORDERS / 5
    );
    Ok(())
}

async fn by_hand(cluster: &PostgresCluster, stay: bool) -> anyhow::Result<()> {
    if !stay {
        println!("Try by hand:");
        println!(
            "  cargo run -p ch02-database -- --stay          leaves the servers running, and says how to reach them"
        );
        println!(
            "  cargo run -p ch02-database -- --pairs 2000    more pairs: is the share of stale reads the same?"
        );
        println!(
            "  cargo test -p ch02-database outages           a primary that is killed, a network that says nothing"
        );
        return Ok(());
    }
    println!(
        "The servers stay until Ctrl-C. Stop a replica's replay, change something, look at all three:"
    );
    let psql = |container: &str, sql: &str| {
        println!("  docker exec {container} psql -h 127.0.0.1 -U workshop -c \"{sql}\"")
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

fn counts(answered: &BTreeMap<String, u32>) -> String {
    let counts: Vec<String> = answered
        .iter()
        .map(|(node, count)| format!("{node} {count}"))
        .collect();
    counts.join(", ")
}
