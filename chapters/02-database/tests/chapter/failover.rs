//! Fail-over: no confirmed write is lost, and a former primary takes no write.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::Naive;
use ch02_database::contract::journal::{Answer, Journal};
use ch02_database::failover::{
    CommitMode, Coordinator, PrimaryDirectory, Promotion, Server, Writer,
};
use ch02_database::postgres::{connect, migrate};
use sqlx::{Executor, PgPool};
use testbed::{Fault, PostgresCluster};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::{poll_until, within_limit};

/// The number of clients that write at the same time.
const CLIENTS: usize = 8;

/// The servers as a coordinator sees them: first the primary, then the replicas.
pub fn servers(cluster: &PostgresCluster) -> Vec<Server> {
    let servers = std::iter::once(cluster.primary()).chain(cluster.replicas());
    let server = |server: &testbed::Server| Server {
        url: server.url(),
        host: server.name().to_owned(),
        port: 5432,
    };
    servers.map(server).collect()
}

pub fn urls(cluster: &PostgresCluster) -> Vec<String> {
    servers(cluster)
        .into_iter()
        .map(|server| server.url)
        .collect()
}

pub async fn migrated(cluster: &PostgresCluster) -> PgPool {
    let primary = connect(&cluster.url()).unwrap();
    migrate(&primary, &[]).await.unwrap();
    primary
}

/// A cluster with a coordinator that does nothing yet, and a client's view of it.
pub struct Setup {
    pub cluster: PostgresCluster,
    coordinator: Coordinator,
    directory: Arc<PrimaryDirectory>,
    pub journal: Arc<Journal>,
}

impl Setup {
    pub async fn start(replicas: usize, synchronous_standbys: usize) -> Setup {
        let cluster = PostgresCluster::builder()
            .replicas(replicas)
            .wal_links()
            .synchronous_standbys(synchronous_standbys);
        let cluster = cluster.start().await.unwrap();
        let journal = Journal::create(&migrated(&cluster).await).await.unwrap();
        Setup {
            coordinator: Coordinator::new(servers(&cluster), synchronous_standbys),
            directory: PrimaryDirectory::open(urls(&cluster)).await.unwrap(),
            cluster,
            journal,
        }
    }

    pub fn writer(&self, mode: CommitMode) -> Writer {
        Writer::new(Arc::clone(&self.directory), mode)
    }

    pub fn primary_pool(&self) -> PgPool {
        self.directory.current().pool.clone()
    }

    async fn wait_for_commits(&self, since: Instant, count: usize) {
        poll_until("the clients' writes are confirmed", async || {
            (self.journal.committed_since(since) >= count).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn synchronous_failover_loses_no_confirmed_write() {
    const KILLS: usize = 3;
    let mut setup = Setup::start(2, 1).await;
    let mut writes_in_flight = 0;
    for kill in 0..KILLS {
        let (start, writer) = (Instant::now(), setup.writer(CommitMode::On));
        let clients = setup.journal.start_clients(CLIENTS, &writer);
        setup.wait_for_commits(start, 100).await;
        let coordinator = setup.coordinator.clone();
        let coordinating = tokio::spawn(async move { coordinator.run(0).await });

        let killed = Instant::now();
        setup.cluster.primary().kill().await.unwrap();
        let dead = Instant::now();

        setup
            .wait_for_commits(killed + Duration::from_millis(200), 100)
            .await;
        setup.journal.stop(clients).await;
        coordinating.abort();
        let entries = setup.journal.entries();
        let in_flight = entries.iter().filter(|entry| {
            entry.start < dead && entry.end > killed && entry.answer != Answer::Committed
        });
        writes_in_flight += in_flight.count();
        let promoted = setup.directory.current().node;
        assert_ne!(
            promoted, 0,
            "kill {kill}: the killed server is still the primary"
        );
        setup.cluster.mark_promoted(promoted - 1);
        setup.cluster.replace_former_primaries().await.unwrap();
        setup.coordinator = Coordinator::new(servers(&setup.cluster), 1);
        setup.directory = PrimaryDirectory::open(urls(&setup.cluster)).await.unwrap();
    }
    let comparison = setup.journal.compare(&setup.primary_pool()).await.unwrap();
    assert_eq!(
        (comparison.lost, comparison.resurrected),
        (0, 0),
        "{comparison:?}"
    );
    assert!(
        writes_in_flight > 0,
        "no kill met a write: this proves nothing"
    );
    assert_eq!(setup.directory.current().epoch, 1 + KILLS as i64);
}

#[tokio::test]
async fn asynchronous_failover_loses_confirmed_writes() {
    let setup = Setup::start(1, 0).await;
    let writer = setup.writer(CommitMode::Local);
    assert_eq!(setup.journal.write(&writer).await, Answer::Committed);
    poll_until("the replica has the first row", async || {
        let replica = connect(&setup.cluster.replica_urls()[0]).unwrap();
        let compared = setup.journal.compare(&replica).await.ok()?;
        (compared.lost == 0).then_some(())
    })
    .await;
    setup.cluster.wal_link(0).inject(Fault::Blackhole);
    for _ in 0..20 {
        assert_eq!(setup.journal.write(&writer).await, Answer::Committed);
    }
    setup.cluster.primary().kill().await.unwrap();

    let promotion = within_limit(setup.coordinator.fail_over(0)).await.unwrap();

    assert_eq!(promotion, Promotion { node: 1, epoch: 2 });
    setup.directory.refresh().await;
    let comparison = setup.journal.compare(&setup.primary_pool()).await.unwrap();
    assert_eq!(
        (comparison.committed, comparison.lost),
        (21, 20),
        "the primary confirmed writes that no replica had"
    );
    assert_eq!(setup.journal.write(&writer).await, Answer::Committed);
}

#[tokio::test]
async fn fenced_primary_accepts_no_write() {
    let setup = Setup::start(2, 1).await;
    let former = setup.cluster.primary();
    // A clone that reaches only the old primary, and so never learns of the new one.
    let alone = PrimaryDirectory::open(vec![former.url()]).await.unwrap();
    let stale = |mode| Writer::new(Arc::clone(&alone), mode);
    let rows = Arc::new(Journal::default());
    assert_eq!(rows.write(&stale(CommitMode::On)).await, Answer::Committed);
    // A write of the other clone is in the middle of its transaction.
    let (is_in_flight, may_continue) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let in_flight = {
        let (writer, began, wait) = (
            setup.writer(CommitMode::Local),
            is_in_flight.clone(),
            may_continue.clone(),
        );
        tokio::spawn(async move {
            let work = writer.write(move |db| {
                Box::pin(async move {
                    db.execute("INSERT INTO journal VALUES (-1)").await?;
                    began.notify_one();
                    wait.notified().await;
                    Ok(())
                })
            });
            work.await
        })
    };
    is_in_flight.notified().await;
    let clients = rows.start_clients(CLIENTS, &stale(CommitMode::On));
    poll_until("the clients write", async || {
        (rows.entries().len() > 20).then_some(())
    })
    .await;

    former.pause().await.unwrap();
    let promotion = within_limit(setup.coordinator.fail_over(0)).await.unwrap();
    let promoted = Instant::now();
    setup.directory.refresh().await;
    former.unpause().await.unwrap();
    may_continue.notify_one();

    // The clients write to a primary that has no standby any more.
    let outcome = within_limit(in_flight).await.unwrap();
    assert!(
        !outcome.is_committed(),
        "a write survived on the old connection: {outcome:?}"
    );
    within_limit(setup.coordinator.fence(0, promotion.epoch))
        .await
        .unwrap();
    poll_until("the clients see the fence", async || {
        let entries = rows.entries();
        let refused = entries.iter().filter(|entry| entry.start > promoted);
        (refused
            .filter(|entry| entry.answer == Answer::Failed)
            .count()
            > 20)
            .then_some(())
    })
    .await;
    rows.stop(clients).await;
    assert_eq!(
        rows.committed_since(promoted),
        0,
        "the old primary confirmed a write"
    );

    // Without the read-only setting, the epoch alone refuses, also in asynchronous mode.
    let admin = connect(&former.url()).unwrap();
    let mut connection = admin.acquire().await.unwrap();
    connection
        .execute("SET default_transaction_read_only = off")
        .await
        .unwrap();
    connection
        .execute("ALTER SYSTEM RESET default_transaction_read_only")
        .await
        .unwrap();
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    let naive = stale(CommitMode::Local).naive(&[Naive::Fencing]);
    poll_until("a writer without the epoch is accepted", async || {
        (rows.write(&naive).await == Answer::Committed).then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(rows.write(&stale(CommitMode::Local)).await, Answer::Failed);
    }
}

#[tokio::test]
async fn standby_that_still_follows_stops_the_promotion() {
    let setup = Setup::start(2, 1).await;
    let journal = Arc::clone(&setup.journal);
    assert_eq!(
        journal.write(&setup.writer(CommitMode::On)).await,
        Answer::Committed
    );
    // While its replay is paused, a standby does not leave its primary.
    let standby = connect(&setup.cluster.replica_urls()[1]).unwrap();
    standby
        .execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    poll_until("the replay is paused", async || {
        let sql = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        let paused: bool = sqlx::query_scalar(sql).fetch_one(&standby).await.unwrap();
        paused.then_some(())
    })
    .await;
    let refused = within_limit(setup.coordinator.fail_over(0)).await;
    assert!(
        refused.is_err(),
        "the old primary can still confirm writes through a standby: {refused:?}"
    );
    // It confirms them: it runs, and nobody else was promoted.
    assert_eq!(
        journal.write(&setup.writer(CommitMode::On)).await,
        Answer::Committed
    );
    standby
        .execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();
    within_limit(setup.coordinator.fail_over(0)).await.unwrap();
    setup.directory.refresh().await;
    let compared = journal.compare(&setup.primary_pool()).await.unwrap();
    assert_eq!((compared.committed, compared.lost), (2, 0), "{compared:?}");
}
