//! The part with a fail-over: the primary is killed while clients write.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::Naive;
use ch02_database::contract::journal::Journal;
use ch02_database::failover::{CommitMode, Coordinator, PrimaryDirectory, Writer};
use ch02_database::postgres::{connect, migrate};
use sqlx::PgPool;
use testbed::PostgresCluster;
use tokio::time::{Instant, sleep};

use super::naive::report;
use crate::experiment::failover::coordinated;

/// The number of clients that write at the same time.
const CLIENTS: usize = 4;

/// How many writes are confirmed before the kill, and again after it.
const WRITES: usize = 200;

/// How many writes a former primary gets.
const LATE_WRITES: usize = 20;

/// Kills the primary of a synchronous cluster under load, and counts the confirmed writes that the
/// new primary lacks.
pub async fn kill_the_primary(naive: &[Naive]) -> anyhow::Result<()> {
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
    let is_fenced = !naive.contains(&Naive::Fencing);
    let coordinator = Coordinator::new(servers, 1);
    let coordinating = tokio::spawn(async move {
        if is_fenced {
            coordinator.run(0).await;
        } else {
            promote_without_fencing(&coordinator).await;
        }
    });

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
    if !is_fenced {
        write_to_former_primary(&cluster, &journal, &new_primary.pool, naive).await?;
    }
    Ok(())
}

/// Replaces the failed primary as [`Coordinator::run`] does, and forgets it.
async fn promote_without_fencing(coordinator: &Coordinator) {
    coordinator.wait_for_failure(0).await;
    while let Err(error) = coordinator.fail_over(0).await {
        tracing::error!(%error, "no replica was promoted");
        sleep(Duration::from_millis(250)).await;
    }
}

/// Starts the former primary again, for a client that reaches only this server.
async fn write_to_former_primary(
    cluster: &PostgresCluster,
    journal: &Journal,
    new_primary: &PgPool,
    naive: &[Naive],
) -> anyhow::Result<()> {
    println!(
        "   `--naive fencing`: the former primary starts again, and a client still writes there"
    );
    let former = cluster.primary();
    former.start_again().await?;
    let directory = PrimaryDirectory::open(vec![former.url()]).await?;
    // Its standbys follow the new primary, so a synchronous commit would wait for ever.
    let writer = Writer::new(directory, CommitMode::Local).naive(naive);
    let before = journal.compare(new_primary).await?.lost;
    for _ in 0..LATE_WRITES {
        journal.write(&writer).await;
    }
    let lost = journal.compare(new_primary).await?.lost - before;
    let broken = format!("of {LATE_WRITES} more writes were confirmed and are lost");
    report(Naive::Fencing, lost as u32, &broken);
    Ok(())
}

async fn wait_for_commits(journal: &Journal, since: Instant) {
    while journal.committed_since(since) < WRITES {
        sleep(Duration::from_millis(5)).await;
    }
}
