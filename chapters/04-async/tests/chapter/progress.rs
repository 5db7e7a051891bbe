//! The board in PostgreSQL: what is told to other processes, and what happens while the database is away.

use std::time::{Duration, Instant};

use ch02_database::{StoreError, postgres};
use ch04_async::{JobBoard, JobUpdate, PgBoard};
use testbed::{Fault, FaultProxy, Service};
use uuid::Uuid;

use crate::support::{board, message, until, within_the_deadline};

/// A board whose way to the database can be cut, and one whose way cannot.
struct TwoClones {
    proxy: FaultProxy,
    cut_off: PgBoard,
    well: PgBoard,
    _database: testbed::Postgres,
}

async fn two_clones() -> TwoClones {
    let database = testbed::postgres().await.unwrap();
    let address = testbed::shared(Service::Postgres).await.unwrap().address();
    let proxy = FaultProxy::before(address).await.unwrap();
    let through_the_proxy = database
        .url()
        .replace(&address.to_string(), &proxy.address().to_string());
    TwoClones {
        cut_off: board(&through_the_proxy).await,
        well: board(&database.url()).await,
        proxy,
        _database: database,
    }
}

/// `noticed`: how to tell that the listener has given its connection up.
async fn what_was_missed_is_heard_later(
    fault: Fault,
    noticed: impl AsyncFn(&TwoClones, usize) -> bool,
) {
    let clones = two_clones().await;
    let job = message("bake-cake");
    let mut changes = clones.cut_off.changes();
    let mut heard = async |what: &str| {
        let heard = async { while changes.recv().await.unwrap() != job.id {} };
        within_the_deadline(what, heard).await;
    };
    clones.well.open(&job).await.unwrap();
    heard("the listener hears while all is well").await;

    let connections = clones.proxy.connections();
    clones.proxy.inject(fault);
    until("the listener notices", async || {
        noticed(&clones, connections).await
    })
    .await;
    clones
        .well
        .update(job.id, JobUpdate::Done(serde_json::json!("a cake")))
        .await
        .unwrap();
    clones.proxy.heal();

    // Nothing changes any more: this was the last change that a customer is waiting for.
    heard("a change that was told while nobody could hear it is lost, and the customer waits for ever").await;
}

#[tokio::test]
async fn a_listener_whose_connection_broke_hears_what_it_missed() {
    let is_closed = async |clones: &TwoClones, _| clones.proxy.connections() == 0;
    what_was_missed_is_heard_later(Fault::Refuse, is_closed).await;
}

#[tokio::test]
async fn a_listener_on_a_dead_line_notices_and_hears_what_it_missed() {
    // Nobody else connects: the board is not asked for anything.
    let tries_another = async |clones: &TwoClones, before| clones.proxy.connections() > before;
    what_was_missed_is_heard_later(Fault::Blackhole, tries_another).await;
}

#[tokio::test]
async fn a_database_that_says_nothing_is_reported_and_found_again() {
    let clones = two_clones().await;
    let job = message("bake-cake");
    clones.cut_off.open(&job).await.unwrap();

    clones.proxy.inject(Fault::Blackhole);

    let begin = Instant::now();
    let read = within_the_deadline("reading hangs", clones.cut_off.get(job.id)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let write = clones.cut_off.update(job.id, JobUpdate::Started);
    let write = within_the_deadline("writing hangs", write).await;
    assert!(
        matches!(write, Err(StoreError::Unavailable(_))),
        "{write:?}"
    );
    let patience = begin.elapsed();
    assert!(
        patience < Duration::from_secs(25),
        "reported only after {patience:?}"
    );

    clones.proxy.heal();
    until("the database is found again", async || {
        clones.cut_off.get(job.id).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn chapters_share_a_database_and_many_processes_open_it_at_once() {
    let database = testbed::postgres().await.unwrap();
    let pool = || postgres::connect(&database.url()).unwrap();
    let shop = pool();
    let shops = [shop.clone()];
    let (migrated, boards) = futures_util::join!(
        postgres::migrate(&shop, &shops),
        futures_util::future::join_all((0..4).map(|_| PgBoard::open(pool())))
    );
    migrated.unwrap();
    for board in boards {
        assert_eq!(board.unwrap().get(Uuid::now_v7()).await.unwrap(), None);
    }
    // And in the other order.
    postgres::migrate(&shop, &shops).await.unwrap();
    board(&database.url()).await;
}
