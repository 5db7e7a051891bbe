//! Writes whose outcome is unknown: the wait for the standby was cancelled, or nothing waits.

use std::sync::Arc;

use ch02_database::contract::journal::{Answer, Journal};
use ch02_database::failover::{CommitMode, PrimaryDirectory, WriteOutcome, Writer};
use ch02_database::postgres::{connect, migrate, transact};
use sqlx::{Executor, PgPool};
use testbed::Fault;

use crate::failover::Setup;
use crate::support::{poll_until, within_limit};

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
