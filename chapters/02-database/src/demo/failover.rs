//! The part with a fail-over: the primary is killed while clients write.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::journal::Journal;
use ch02_database::failover::{CommitMode, Coordinator, PrimaryDirectory, Writer};
use ch02_database::postgres::{connect, migrate};
use testbed::PostgresCluster;
use tokio::time::{Instant, sleep};

use crate::experiment::failover::coordinated;

/// The number of clients that write at the same time.
const CLIENTS: usize = 4;

/// How many writes are confirmed before the kill, and again after it.
const WRITES: usize = 200;

/// Kills the primary of a synchronous cluster under load, and counts the confirmed writes that the
/// new primary lacks.
pub async fn kill_the_primary() -> anyhow::Result<()> {
    let cluster = PostgresCluster::builder()
        .replicas(2)
        .synchronous_standbys(1);
    let cluster = cluster.start().await?;
    let primary = connect(&cluster.url())?;
    migrate(&primary, &[]).await?;
    let journal = Journal::create(&primary).await?;
    let servers = coordinated(&cluster);
    let urls = servers.iter().map(|server| server.url.clone()).collect();
    let directory = PrimaryDirectory::open(urls).await?;
    let coordinating = tokio::spawn(async move { Coordinator::new(servers, 1).run(0).await });

    let start = Instant::now();
    let writer = Writer::new(Arc::clone(&directory), CommitMode::On);
    let clients = journal.start_clients(CLIENTS, &writer);
    wait_for_commits(&journal, start).await;
    cluster.primary().kill().await?;
    let killed = Instant::now();
    wait_for_commits(&journal, killed).await;
    let seconds = killed.elapsed().as_secs_f64();
    journal.stop(clients).await;
    coordinating.abort();

    let new_primary = directory.current();
    let compared = journal.compare(&new_primary.pool).await?;
    println!(
        "   replica-{} is the primary of epoch {}. {WRITES} more writes were confirmed {seconds:.1} s \
         after the kill.\n   {} confirmed writes, {} of them lost; {} unknown\n",
        new_primary.node, new_primary.epoch, compared.committed, compared.lost, compared.unknown.0
    );
    Ok(())
}

async fn wait_for_commits(journal: &Journal, since: Instant) {
    while journal.committed_since(since) < WRITES {
        sleep(Duration::from_millis(5)).await;
    }
}
