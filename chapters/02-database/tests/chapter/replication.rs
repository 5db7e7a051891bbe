//! Who answers a read, and how old the answer may be.

use std::collections::HashSet;
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{connect, connect_replica};
use ch02_database::{Catalog, Node, PgCatalog};
use chrono::{DateTime, Utc};
use sqlx::{Executor, PgPool};
use testbed::PostgresCluster;

use crate::support::{Store, fill_catalog, open, poll_until};

fn price(price_cents: i64) -> GameChange {
    GameChange {
        price_cents: Some(price_cents),
        description: None,
    }
}

/// Who answers the next reads of game 7, and which price each shows.
async fn reads(catalog: &PgCatalog, count: usize) -> Vec<(Node, i64)> {
    let mut reads = Vec::new();
    for _ in 0..count {
        let read = catalog.game(7).await.unwrap();
        reads.push((read.node, read.value.unwrap().price_cents));
    }
    reads
}

#[tokio::test]
async fn writes_go_to_the_primary_and_reads_to_the_replicas_in_turn() {
    let store = Store::filled().await;
    let catalog = store.pg_catalog().await;
    catalog.change(7, &price(1)).await.unwrap();

    // On a busy machine a replica may be left out for a moment.
    poll_until(
        "two replicas answer by turns, and the primary is left in peace",
        async || {
            let nodes: Vec<Node> = reads(&catalog, 40)
                .await
                .into_iter()
                .map(|(node, _)| node)
                .collect();
            let by_turns = nodes.chunks(2).all(|two| two == &nodes[..2]) && nodes[0] != nodes[1];
            (by_turns && !nodes.contains(&Node::Primary)).then_some(())
        },
    )
    .await;

    let (primary, replica) = (
        in_recovery(&store.primary).await,
        in_recovery(&store.replica).await,
    );
    assert_eq!(
        (primary, replica),
        (false, true),
        "the names say what the servers are"
    );
    let alone = open(&store.primary, &[]).await;
    assert_eq!(reads(&alone, 3).await, [(Node::Primary, 1); 3]);
}

#[tokio::test]
async fn a_read_right_after_a_write_may_be_stale_on_a_replica() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let replicas: Vec<PgPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url).unwrap())
        .collect();
    let catalog =
        async |patience| PgCatalog::open(primary.clone(), replicas.clone(), patience).await;
    // They wait here, so both replicas have the games.
    let (fixed, patient) = (
        catalog(Some(Duration::from_millis(300))).await,
        catalog(Some(Duration::from_hours(1))).await,
    );
    patient.change(7, &price(1)).await.unwrap();

    // A replica that has heard of a write and not yet replayed it: what "asynchronous" allows at any time, and here lasts.
    replicas[0]
        .execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    let naive = catalog(None).await;
    naive.change(7, &price(2)).await.unwrap();
    let shown = poll_until("the paused replica answers", async || {
        let shown = reads(&naive, 1).await[0];
        (shown.0 == Node::Replica(1)).then_some(shown.1)
    });
    assert_eq!(
        shown.await,
        1,
        "the paused replica is not stale, so this test shows nothing"
    );

    let opened = catalog(Some(Duration::from_millis(300))).await;
    for (node, shown) in reads(&opened, 10).await {
        assert_eq!(
            shown, 2,
            "{node} was trusted at the start and has not caught up"
        );
    }

    fixed.change(7, &price(3)).await.unwrap();
    let nobody_is_stale = async || {
        for (node, shown) in reads(&fixed, 10).await {
            assert_eq!(shown, 3, "{node} has not caught up, and is not left out");
        }
    };
    nobody_is_stale().await;
    // Nor does it come back because somebody has looked at it.
    looked_at(&replicas[0], 3).await;
    nobody_is_stale().await;
    for new_price in 4..=8 {
        fixed.change(7, &price(new_price)).await.unwrap();
    }

    replicas[0]
        .execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();
    let back = poll_until(
        "the replica that has caught up is asked again",
        async || {
            let read = fixed.game(7).await.unwrap();
            let price = read.value.unwrap().price_cents;
            assert_eq!(price, 8, "{} came back before it had caught up", read.node);
            (read.node == Node::Replica(1)).then_some(price)
        },
    );
    assert_eq!(back.await, 8);

    for new_price in 100..200 {
        patient.change(7, &price(new_price)).await.unwrap();
        for (node, shown) in reads(&patient, 2).await {
            assert_eq!(shown, new_price, "{node} was not waited for");
        }
    }
}

/// Returns when this replica was asked this many times how far it has come.
async fn looked_at(replica: &PgPool, times: usize) {
    let mut looks = HashSet::new();
    poll_until("the replica is looked at", async || {
        let sql = "SELECT query_start FROM pg_stat_activity WHERE query LIKE '%pg_last_wal_replay_lsn()%' AND pid <> pg_backend_pid()";
        let found: Vec<DateTime<Utc>> = sqlx::query_scalar(sql).fetch_all(replica).await.unwrap();
        looks.extend(found);
        (looks.len() > times).then_some(())
    })
    .await;
}

async fn in_recovery(pool: &PgPool) -> bool {
    sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(pool)
        .await
        .unwrap()
}
