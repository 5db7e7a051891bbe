//! The job store in PostgreSQL: reports to other processes, and an unavailable database.

use std::time::{Duration, Instant};

use ch02_database::{StoreError, postgres};
use ch04_async::{JobStore, JobUpdate, PgJobStore};
use testbed::{Fault, FaultProxy, Service};
use uuid::Uuid;

use crate::support::{job_store, message, poll_until, within_deadline};

/// Two processes with the same database. A proxy can break the connections of one of them.
struct TwoClones {
    proxy: FaultProxy,
    behind_proxy: PgJobStore,
    direct: PgJobStore,
    _database: testbed::Postgres,
}

async fn two_clones() -> TwoClones {
    let database = testbed::postgres().await.unwrap();
    let address = testbed::shared(Service::Postgres).await.unwrap().address();
    let proxy = FaultProxy::before(address).await.unwrap();
    let proxy_url = database
        .url()
        .replace(&address.to_string(), &proxy.address().to_string());
    TwoClones {
        behind_proxy: job_store(&proxy_url).await,
        direct: job_store(&database.url()).await,
        proxy,
        _database: database,
    }
}

/// `has_noticed` returns whether the listener has given up its broken connection.
async fn missed_change_is_reported_later(
    fault: Fault,
    has_noticed: impl AsyncFn(&TwoClones, usize) -> bool,
) {
    let clones = two_clones().await;
    let job = message("order-export");
    let mut changes = clones.behind_proxy.changes();
    let mut expect_change = async |expectation: &str| {
        let reported = async { while changes.recv().await.unwrap() != job.id {} };
        within_deadline(expectation, reported).await;
    };
    clones.direct.create(&job).await.unwrap();
    expect_change("the listener gets a change while the connection works").await;

    let connections = clones.proxy.connections();
    clones.proxy.inject(fault);
    poll_until("the listener notices", async || {
        has_noticed(&clones, connections).await
    })
    .await;
    let update = JobUpdate::Done(serde_json::json!("orders.csv"));
    clones.direct.update(job.id, update).await.unwrap();
    clones.proxy.heal();

    // No further change follows, so a listener that misses this one would wait for ever.
    expect_change("the listener catches up with the change that it missed").await;
}

#[tokio::test]
async fn listener_catches_up_after_broken_connection() {
    let is_closed = async |clones: &TwoClones, _| clones.proxy.connections() == 0;
    missed_change_is_reported_later(Fault::Refuse, is_closed).await;
}

#[tokio::test]
async fn listener_notices_silent_connection_and_catches_up() {
    // Only the listener connects again: the test sends no query through the proxy.
    let has_reconnected = async |clones: &TwoClones, before| clones.proxy.connections() > before;
    missed_change_is_reported_later(Fault::Blackhole, has_reconnected).await;
}

#[tokio::test]
async fn silent_database_is_an_error_until_it_recovers() {
    let clones = two_clones().await;
    let job = message("order-export");
    clones.behind_proxy.create(&job).await.unwrap();

    clones.proxy.inject(Fault::Blackhole);

    let start = Instant::now();
    let read = within_deadline("reading returns", clones.behind_proxy.get(job.id)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let write = clones.behind_proxy.update(job.id, JobUpdate::Started);
    let write = within_deadline("writing returns", write).await;
    assert!(
        matches!(write, Err(StoreError::Unavailable(_))),
        "{write:?}"
    );
    let elapsed = start.elapsed();
    assert!(
        elapsed < Duration::from_secs(25),
        "the errors came only after {elapsed:?}: does every query have a time-out?"
    );

    clones.proxy.heal();
    poll_until("the job store works again", async || {
        clones.behind_proxy.get(job.id).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn chapters_and_processes_can_share_a_database() {
    let database = testbed::postgres().await.unwrap();
    let pool = || postgres::connect(&database.url()).unwrap();
    let primary = pool();
    let shards = [primary.clone()];
    let (migrated, job_stores) = futures_util::join!(
        postgres::migrate(&primary, &shards),
        futures_util::future::join_all((0..4).map(|_| PgJobStore::open(pool())))
    );
    migrated.unwrap();
    for job_store in job_stores {
        assert_eq!(job_store.unwrap().get(Uuid::now_v7()).await.unwrap(), None);
    }
    // And in the other order.
    postgres::migrate(&primary, &shards).await.unwrap();
    job_store(&database.url()).await;
}
