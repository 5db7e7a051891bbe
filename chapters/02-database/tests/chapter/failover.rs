//! Fail-over: no confirmed write is lost, a former primary takes no write, and what is unknown is
//! called unknown.

use std::sync::Arc;
use std::time::Duration;

use ch02_database::Naive;
use ch02_database::contract::journal::{Answer, Journal};
use ch02_database::failover::{
    CommitMode, Coordinator, PrimaryDirectory, Promotion, Server, WriteOutcome, Writer,
};
use ch02_database::postgres::{connect, migrate, transact};
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
struct Setup {
    cluster: PostgresCluster,
    coordinator: Coordinator,
    directory: Arc<PrimaryDirectory>,
    journal: Arc<Journal>,
}

impl Setup {
    async fn start(replicas: usize, synchronous_standbys: usize) -> Setup {
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

    fn writer(&self, mode: CommitMode) -> Writer {
        Writer::new(Arc::clone(&self.directory), mode)
    }

    fn primary_pool(&self) -> PgPool {
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

        setup
            .wait_for_commits(killed + Duration::from_millis(200), 100)
            .await;
        setup.journal.stop(clients).await;
        coordinating.abort();
        let entries = setup.journal.entries();
        let in_flight = entries.iter().filter(|entry| {
            entry.start < killed && entry.end > killed && entry.answer != Answer::Committed
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
        "no write was in flight at a kill: this proves nothing"
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

/// Waits until a commit of this primary waits for its standby. Returns its process.
async fn waiting_commit(primary: &PgPool) -> i32 {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' LIMIT 1";
    poll_until("a commit waits for its standby", async || {
        sqlx::query_scalar(waiting)
            .fetch_optional(primary)
            .await
            .unwrap()
    })
    .await
}

async fn cancel(primary: &PgPool, process: i32) {
    let cancel = sqlx::query("SELECT pg_cancel_backend($1)").bind(process);
    cancel.execute(primary).await.unwrap();
}

#[tokio::test]
async fn cancelled_wait_for_standby_is_unknown() {
    let setup = Setup::start(1, 1).await;
    let (primary, writer) = (setup.primary_pool(), setup.writer(CommitMode::On));
    assert_eq!(setup.journal.write(&writer).await, Answer::Committed);
    setup.cluster.wal_link(0).inject(Fault::Blackhole);

    // PostgreSQL confirms the cancelled commit, and the simple version believes it.
    let naive = transact(&primary, |db| {
        Box::pin(async move {
            db.execute("INSERT INTO journal VALUES (-1)")
                .await
                .map(drop)
        })
    });
    let cancelling = async { cancel(&primary, waiting_commit(&primary).await).await };
    let (naive, ()) = within_limit(async { tokio::join!(naive, cancelling) }).await;
    assert!(
        naive.is_ok(),
        "PostgreSQL confirmed no cancelled commit: {naive:?}"
    );

    let cancelling = async { cancel(&primary, waiting_commit(&primary).await).await };
    let write = setup.journal.write(&writer);
    let (answer, ()) = within_limit(async { tokio::join!(write, cancelling) }).await;
    assert_eq!(answer, Answer::Unknown, "no standby has the row");

    // An administrator ends the connection.
    let ending = async {
        let process = waiting_commit(&primary).await;
        let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(process);
        end.execute(&primary).await.unwrap();
    };
    let write = setup.journal.write(&writer);
    let (answer, ()) = within_limit(async { tokio::join!(write, ending) }).await;
    assert_eq!(answer, Answer::Unknown);
    poll_until("both rows are on the primary", async || {
        let compared = setup.journal.compare(&primary).await.unwrap();
        (compared.unknown == (2, 2)).then_some(())
    })
    .await;

    // `statement_timeout` does not end this wait; the client's own limit does.
    let write = writer.write(|db| {
        Box::pin(async move {
            db.execute("SET LOCAL statement_timeout = '200ms'").await?;
            db.execute("INSERT INTO journal VALUES (-2)")
                .await
                .map(drop)
        })
    });
    let outcome = within_limit(write).await;
    assert!(outcome.is_unknown(), "{outcome:?}");

    setup.cluster.wal_link(0).heal();
    poll_until("a write is confirmed again", async || {
        (setup.journal.write(&writer).await == Answer::Committed).then_some(())
    })
    .await;
}

/// A directory of a shared server, which has no synchronous standby.
async fn shared_directory() -> (testbed::Postgres, Arc<PrimaryDirectory>) {
    let database = testbed::postgres().await.unwrap();
    let primary = connect(&database.url()).unwrap();
    migrate(&primary, &[]).await.unwrap();
    let directory = PrimaryDirectory::open(vec![database.url()]).await;
    (database, directory.unwrap())
}

#[tokio::test]
async fn missing_standby_setting_is_unknown() {
    let (_database, directory) = shared_directory().await;
    let journal = Journal::create(&directory.current().pool).await.unwrap();
    let answer = journal.write(&Writer::new(directory, CommitMode::On)).await;
    assert_eq!(answer, Answer::Unknown, "the commit waited for no standby");
}

#[tokio::test]
async fn error_before_commit_is_a_failure() {
    let (_database, directory) = shared_directory().await;
    let writer = Writer::new(directory, CommitMode::Local);
    let outcome = writer
        .write(|db| Box::pin(async move { db.execute("SELECT 1 / 0").await.map(drop) }))
        .await;
    assert!(matches!(outcome, WriteOutcome::Failed(_)), "{outcome:?}");
    // An ignored error makes COMMIT roll back.
    let outcome = writer
        .write(|db| {
            Box::pin(async move {
                let _ = db.execute("SELECT 1 / 0").await;
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, WriteOutcome::Failed(_)), "{outcome:?}");
}
