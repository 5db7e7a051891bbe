//! Which server answers a read, and how old its answer may be.

use std::collections::HashSet;
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{connect, connect_replica};
use ch02_database::{Catalog, Consistency, Node, PgCatalog};
use chrono::{DateTime, Utc};
use sqlx::{Executor, PgPool};
use testbed::PostgresCluster;

use crate::support::{Store, fill_catalog, open_catalog, poll_until};

fn price(price_cents: i64) -> GameChange {
    GameChange {
        price_cents: Some(price_cents),
        description: None,
    }
}

/// Reads game 7 several times. Returns the server and the price of each read.
async fn read_prices(catalog: &PgCatalog, count: usize) -> Vec<(Node, i64)> {
    let mut reads = Vec::new();
    for _ in 0..count {
        let read = catalog.game(7, Consistency::Eventual).await.unwrap();
        reads.push((read.node, read.value.unwrap().price_cents));
    }
    reads
}

#[tokio::test]
async fn reads_go_to_the_replicas_in_turn() {
    let store = Store::filled().await;
    let catalog = store.pg_catalog().await;
    catalog.change(7, &price(1)).await.unwrap();

    // On a busy machine a replica may be ejected for a moment.
    poll_until(
        "the two replicas answer in turn, and the primary answers no read",
        async || {
            let nodes: Vec<Node> = read_prices(&catalog, 40)
                .await
                .into_iter()
                .map(|(node, _)| node)
                .collect();
            let is_in_turn = nodes.chunks(2).all(|two| two == &nodes[..2]) && nodes[0] != nodes[1];
            (is_in_turn && !nodes.contains(&Node::Primary)).then_some(())
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
        "the pool of the primary and the pool of the replica are swapped"
    );
    let alone = open_catalog(&store.primary, &[]).await;
    assert_eq!(read_prices(&alone, 3).await, [(Node::Primary, 1); 3]);
}

#[tokio::test]
async fn read_after_write_is_stale_without_waiting() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let replicas: Vec<PgPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url).unwrap())
        .collect();
    let catalog = async |timeout| PgCatalog::open(primary.clone(), replicas.clone(), timeout).await;
    // Opening waits for the replicas, so both have the games.
    let (fixed, long_wait) = (
        catalog(Some(Duration::from_millis(300))).await,
        catalog(Some(Duration::from_hours(1))).await,
    );
    long_wait.change(7, &price(1)).await.unwrap();

    // The replica receives writes but does not replay them. Asynchronous replication allows that at
    // any time; here it lasts.
    replicas[0]
        .execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    let naive = catalog(None).await;
    let written = naive.change(7, &price(2)).await.unwrap();
    let shown = poll_until("the paused replica answers", async || {
        let shown = read_prices(&naive, 1).await[0];
        (shown.0 == Node::Replica(1)).then_some(shown.1)
    });
    assert_eq!(
        shown.await,
        1,
        "the paused replica is not stale, so this test proves nothing"
    );
    let token = written.token.expect("a write on PostgreSQL has a token");
    for consistency in [Consistency::AtLeast(token), Consistency::Primary] {
        for _ in 0..4 {
            let read = naive.game(7, consistency).await.unwrap();
            assert_eq!(
                read.value.unwrap().price_cents,
                2,
                "{} answered a read with {consistency:?}, and showed an older price",
                read.node
            );
        }
    }

    let opened = catalog(Some(Duration::from_millis(300))).await;
    for (node, shown) in read_prices(&opened, 10).await {
        assert_eq!(
            shown, 2,
            "{node} answered after opening although it has not caught up"
        );
    }

    fixed.change(7, &price(3)).await.unwrap();
    let assert_no_stale_read = async || {
        for (node, shown) in read_prices(&fixed, 10).await {
            assert_eq!(shown, 3, "{node} has not caught up and is not ejected");
        }
    };
    assert_no_stale_read().await;
    // The background check must not restore it before it has caught up.
    wait_for_checks(&replicas[0], 3).await;
    assert_no_stale_read().await;
    for new_price in 4..=8 {
        fixed.change(7, &price(new_price)).await.unwrap();
    }

    replicas[0]
        .execute("SELECT pg_wal_replay_resume()")
        .await
        .unwrap();
    let recovered = poll_until(
        "the replica answers reads after it has caught up",
        async || {
            let read = fixed.game(7, Consistency::Eventual).await.unwrap();
            let price = read.value.unwrap().price_cents;
            assert_eq!(price, 8, "{} answered before it had caught up", read.node);
            (read.node == Node::Replica(1)).then_some(price)
        },
    );
    assert_eq!(recovered.await, 8);

    for new_price in 100..200 {
        long_wait.change(7, &price(new_price)).await.unwrap();
        for (node, shown) in read_prices(&long_wait, 2).await {
            assert_eq!(shown, new_price, "the write did not wait for {node}");
        }
    }
}

/// Waits until the background task has asked this replica for its LSN more than `times` times.
async fn wait_for_checks(replica: &PgPool, times: usize) {
    let mut checks = HashSet::new();
    poll_until("the background task checks the replica", async || {
        let sql = "SELECT query_start FROM pg_stat_activity \
             WHERE query LIKE '%pg_last_wal_replay_lsn()%' AND pid <> pg_backend_pid()";
        let found: Vec<DateTime<Utc>> = sqlx::query_scalar(sql).fetch_all(replica).await.unwrap();
        checks.extend(found);
        (checks.len() > times).then_some(())
    })
    .await;
}

async fn in_recovery(pool: &PgPool) -> bool {
    sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(pool)
        .await
        .unwrap()
}
