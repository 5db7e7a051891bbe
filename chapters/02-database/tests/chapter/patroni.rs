//! The fail-over of `failover.rs`, decided by Patroni and etcd instead of our coordinator. The
//! clients are the same: a [`PrimaryDirectory`] and a [`Writer`].
//!
//! It takes a minute, and several more if the image must be built. So it runs only where
//! `WORKSHOP_PATRONI` is set.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::contract::journal::{Answer, Comparison, Journal};
use ch02_database::failover::{CommitMode, PrimaryDirectory, Writer};
use ch02_database::postgres::{connect, migrate};
use sqlx::error::DatabaseError;
use sqlx::{Executor, PgPool};
use testbed::{PatroniCluster, Server};
use tokio::time::{Instant, timeout};

use crate::support::poll_until;

/// The lease of the killed primary must end first, which takes 20 s.
const FAILOVER_LIMIT: Duration = Duration::from_mins(2);

#[tokio::test]
async fn patroni_failover_loses_no_confirmed_write() {
    let Some(setup) = Setup::start().await else {
        return;
    };
    let Setup {
        cluster,
        first,
        pools,
        journal,
        directory,
    } = setup;
    let writer = Writer::new(Arc::clone(&directory), CommitMode::On);

    let start = Instant::now();
    let clients = journal.start_clients(8, &writer);
    wait_for_commits(&journal, start, 500).await;
    let killed = Instant::now();
    cluster.nodes()[first].kill().await.unwrap();
    let dead = Instant::now();
    wait_for_commits(&journal, dead, 200).await;
    journal.stop(clients).await;

    let second = directory.current();
    assert_ne!(second.node, first, "the killed server is still the primary");
    assert_eq!(second.epoch, 2, "the epoch is the timeline");
    let entries = journal.entries();
    let in_flight = entries.iter().filter(|entry| {
        entry.start < dead && entry.end > killed && entry.answer != Answer::Committed
    });
    assert!(in_flight.count() > 0, "no write was in flight at the kill");
    let compared = journal.compare(&pools[second.node]).await.unwrap();
    assert_eq!(
        (compared.lost, compared.resurrected),
        (0, 0),
        "{compared:?}"
    );

    cluster.nodes()[first].start_again().await.unwrap();
    assert_follows(&cluster, &pools[first], &journal, compared).await;
}

#[tokio::test]
async fn paused_patroni_leader_confirms_no_write() {
    let Some(setup) = Setup::start().await else {
        return;
    };
    let Setup {
        cluster,
        first,
        pools,
        journal,
        directory,
    } = setup;
    let former = &cluster.nodes()[first];
    // Clients that reach only the old leader, and so never learn of the new one.
    let alone = PrimaryDirectory::open(vec![former.url()]).await.unwrap();
    let stale = Writer::new(alone, CommitMode::On);
    let start = Instant::now();
    let writer = Writer::new(Arc::clone(&directory), CommitMode::On);
    let mut clients = journal.start_clients(4, &writer);
    clients.extend(journal.start_clients(4, &stale));
    wait_for_commits(&journal, start, 500).await;

    former.pause().await.unwrap();
    let paused = Instant::now();
    wait_for_commits(&journal, paused, 200).await;
    let promoted = Instant::now();
    assert_ne!(directory.current().node, first);
    eprintln!("the writers follow after {:?}", promoted - paused);
    former.unpause().await.unwrap();
    poll_until("the old leader refuses the stale clients", async || {
        let entries = journal.entries();
        let refused = entries
            .iter()
            .filter(|entry| entry.start > promoted && entry.answer == Answer::Failed);
        (refused.count() > 20).then_some(())
    })
    .await;
    journal.stop(clients).await;
    let compared = journal.compare(&pools[directory.current().node]).await;
    let compared = compared.unwrap();
    assert_eq!(
        (compared.lost, compared.resurrected),
        (0, 0),
        "the old leader confirmed a write as a leader: {compared:?}"
    );
    assert_follows(&cluster, &pools[first], &journal, compared).await;
}

/// Three servers with a journal. `None` where the tests of Patroni do not run.
struct Setup {
    cluster: PatroniCluster,
    first: usize,
    pools: Vec<PgPool>,
    journal: Arc<Journal>,
    directory: Arc<PrimaryDirectory>,
}

impl Setup {
    async fn start() -> Option<Setup> {
        if std::env::var_os("WORKSHOP_PATRONI").is_none() {
            eprintln!("did not run: WORKSHOP_PATRONI=1 starts three servers under Patroni");
            return None;
        }
        let cluster = PatroniCluster::start().await.unwrap();
        let first = cluster.primary().await.expect("there is a primary");
        let pools: Vec<PgPool> = cluster.nodes().iter().map(pool).collect();
        migrate(&pools[first], &[]).await.unwrap();
        let urls = cluster.nodes().iter().map(Server::url).collect();
        Some(Setup {
            journal: Journal::create(&pools[first]).await.unwrap(),
            directory: PrimaryDirectory::open(urls).await.unwrap(),
            cluster,
            first,
            pools,
        })
    }
}

/// The former primary comes back as a standby with the same rows, and refuses writes.
async fn assert_follows(
    cluster: &PatroniCluster,
    former: &PgPool,
    journal: &Journal,
    compared: Comparison,
) {
    cluster.wait_for_all().await.unwrap();
    poll_until("the former primary follows the new one", async || {
        let rows = journal.compare(former).await.ok()?;
        (rows == compared).then_some(())
    })
    .await;
    let refused = former.execute("INSERT INTO journal VALUES (-1)").await;
    let refused = refused.unwrap_err();
    let code = refused.as_database_error().and_then(DatabaseError::code);
    assert_eq!(code.as_deref(), Some("25006"), "{refused}");
}

fn pool(server: &Server) -> PgPool {
    connect(&server.url()).unwrap()
}

async fn wait_for_commits(journal: &Journal, since: Instant, count: usize) {
    let polling = async {
        while journal.committed_since(since) < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let polled = timeout(FAILOVER_LIMIT, polling).await;
    polled.expect("the clients' writes are not confirmed: has a standby become the primary?");
}
