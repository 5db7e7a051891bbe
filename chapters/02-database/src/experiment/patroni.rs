//! The fail-over of `failover.rs` with Patroni and etcd as the coordinator.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use ch02_database::contract::journal::Journal;
use ch02_database::failover::{CommitMode, PrimaryDirectory, Writer};
use ch02_database::postgres::{connect, migrate};
use measurement::machine;
use testbed::{PatroniCluster, Server};
use tokio::time::{Instant, sleep};

use super::failover::{Arguments, CLIENTS, Measured, WRITES_AFTER_KILL, print_head};

/// Kills the leader again and again, and lets it return each time.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (kills, total) = arguments.sizes();
    eprintln!("three servers under Patroni start; the first time, their image is built");
    let cluster = PatroniCluster::start().await?;
    let nodes = cluster.nodes();
    let first = cluster.primary().await.context("there is no primary")?;
    let primary = connect(&nodes[first].url())?;
    migrate(&primary, &[]).await?;
    let journal = Journal::create(&primary).await?;
    let urls = nodes.iter().map(Server::url).collect();
    let directory = PrimaryDirectory::open(urls).await?;
    let writer = Writer::new(Arc::clone(&directory), CommitMode::On);
    let mut measured = Measured::default();
    for kill in 1..=kills {
        eprintln!("kill {kill} of {kills}, patroni");
        let clients = journal.start_clients(CLIENTS, &writer);
        wait_for_commits(&journal, Instant::now(), total.div_ceil(kills)).await;
        let killed_node = &nodes[directory.current().node];
        let kill = Instant::now();
        killed_node.kill().await?;
        let dead = Instant::now();
        wait_for_commits(&journal, dead, WRITES_AFTER_KILL).await;
        journal.stop(clients).await;
        measured.record(&journal, kill, dead);
        // Rewinding takes longer than a plain start, so its time limit is not the last word.
        if let Err(error) = killed_node.start_again().await {
            eprintln!("{error}");
        }
        // A server that is being rewound cannot follow a primary that was elected meanwhile.
        cluster.wait_for_all().await?;
        wait_for_streams(&nodes[directory.current().node], nodes.len() - 1).await?;
    }
    println!("{}", machine::facts());
    print_head();
    let primary = connect(&nodes[directory.current().node].url())?;
    let compared = journal.compare(&primary).await?;
    measured.print("patroni", kills, compared)
}

/// Returns when the standbys receive the primary's log. Patroni also calls a standby running that
/// it will rewind in a moment.
async fn wait_for_streams(primary: &Server, wanted: usize) -> anyhow::Result<()> {
    let primary = connect(&primary.url())?;
    let count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    while sqlx::query_scalar::<_, i64>(count)
        .fetch_one(&primary)
        .await?
        < wanted as i64
    {
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn wait_for_commits(journal: &Journal, since: Instant, count: usize) {
    while journal.committed_since(since) < count {
        sleep(Duration::from_millis(5)).await;
    }
}
