//! Parts 1 to 3: stale reads, their cure and its cost, and a killed replica.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use ch02_database::catalog::GameChange;
use ch02_database::{Catalog, Consistency, ConsistencyToken, Node, PgCatalog};
use testbed::PostgresCluster;

/// The number of reads that each server has answered.
type ReadCounts = BTreeMap<String, u32>;

/// Changes the price of game 7 and reads it immediately, `pairs` times. `demand` turns the token of
/// the write into the consistency of the read. Returns the number of stale reads.
pub(super) async fn count_stale_reads(
    catalog: &PgCatalog,
    pairs: u32,
    demand: impl Fn(ConsistencyToken) -> Consistency,
) -> anyhow::Result<u32> {
    let replicas = catalog.replicas().into_iter();
    let replicas = replicas.map(|replica| Node::Replica(replica.number));
    let servers = std::iter::once(Node::Primary).chain(replicas);
    // A server that has answered nothing is printed too.
    let mut counts: ReadCounts = servers.map(|server| (server.to_string(), 0)).collect();
    let mut stale = 0;
    let mut read_times = Vec::new();
    // The two parts set different prices, so an old price is never equal to a new one.
    let first = catalog.game(7, Consistency::Primary).await?;
    let first = first.value.context("game 7 is missing")?.price_cents;
    for price in first + 1..=first + i64::from(pairs) {
        let token = set_price(catalog, price).await?;
        let start = Instant::now();
        let read = catalog.game(7, demand(token)).await?;
        read_times.push(start.elapsed());
        *counts.entry(read.node.to_string()).or_insert(0) += 1;
        stale += u32::from(read.value.context("game 7 is missing")?.price_cents != price);
    }
    read_times.sort();
    println!("   {pairs} price changes, each followed by a read: {stale} reads had the old price");
    println!(
        "   reads: {}; a read took {:.1} ms (median)\n",
        format_counts(&counts),
        read_times[read_times.len() / 2].as_secs_f64() * 1_000.0
    );
    Ok(stale)
}

/// Kills replica 1 during reads, starts it again, and waits until it answers reads.
pub(super) async fn kill_a_replica(
    cluster: &PostgresCluster,
    catalog: &PgCatalog,
) -> anyhow::Result<()> {
    let is_dead = AtomicBool::new(false);
    let reads = async {
        let (mut before, mut after) = (ReadCounts::new(), ReadCounts::new());
        let mut slowest = Duration::ZERO;
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            let start = Instant::now();
            let read = catalog
                .game(7, Consistency::Eventual)
                .await
                .context("a read failed")?;
            slowest = slowest.max(start.elapsed());
            let counts = if is_dead.load(Ordering::Relaxed) {
                &mut after
            } else {
                &mut before
            };
            *counts.entry(read.node.to_string()).or_insert(0) += 1;
        }
        anyhow::Ok((before, after, slowest))
    };
    let kill = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let killed = cluster.replicas()[0].kill().await;
        is_dead.store(true, Ordering::Relaxed);
        killed
    };
    let (reads, killed) = tokio::join!(reads, kill);
    killed?;
    let (before, after, slowest) = reads?;
    println!("   reads before the kill: {}", format_counts(&before));
    println!("   reads after the kill:  {}", format_counts(&after));
    println!(
        "   no read failed; the slowest took {:.0} ms, because it asked a second server",
        slowest.as_secs_f64() * 1_000.0
    );

    let start = Instant::now();
    cluster.replicas()[0].start_again().await?;
    while catalog.game(7, Consistency::Eventual).await?.node != Node::Replica(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!(
        "   replica-1 is started again and answers reads {:.1} s later\n",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn set_price(catalog: &PgCatalog, price_cents: i64) -> anyhow::Result<ConsistencyToken> {
    let change = GameChange {
        price_cents: Some(price_cents),
        description: None,
    };
    let written = catalog.change(7, &change).await?;
    written.token.context("the position of a write is unknown")
}

fn format_counts(counts: &ReadCounts) -> String {
    let counts: Vec<String> = counts
        .iter()
        .map(|(node, count)| format!("{node} {count}"))
        .collect();
    counts.join(", ")
}
