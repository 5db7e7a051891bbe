//! Servers that are killed and started again: reads go on, writes are reported, and the same pools work again.

use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::postgres::{InvalidUrl, connect, connect_replica, ping};
use ch02_database::seed::generator::Generator;
use ch02_database::{Catalog, Node, Orders, PgCatalog, PgOrders, StoreError};
use sqlx::PgPool;
use testbed::{PostgresCluster, Server, Service};

use crate::support::{
    CHEAPER, SIZES, Store, bounded, fill_catalog, open, poll_until, read_until_all_answer,
};

/// Reads until only these servers answer.
async fn read_until_only(catalog: &PgCatalog, nodes: &[Node]) {
    poll_until("the servers that are away are left out", async || {
        let mut answered = Vec::new();
        for _ in 0..10 {
            answered.push(
                bounded(catalog.product(7))
                    .await
                    .expect("a read failed though a server was up")
                    .node,
            );
        }
        answered
            .iter()
            .all(|node| nodes.contains(node))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_killed_replica_fails_no_read_and_is_asked_again_when_it_is_back() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let replicas: Vec<PgPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url).unwrap())
        .collect();
    let catalog = open(&primary, &replicas).await;
    bounded(catalog.change(7, &CHEAPER)).await.unwrap();
    read_until_all_answer(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;

    // Under reads: these run while the replica dies.
    let (killed, ()) = tokio::join!(cluster.replicas()[0].kill(), async {
        for _ in 0..200 {
            bounded(catalog.product(7))
                .await
                .expect("a read failed while a replica died");
        }
    });
    killed.unwrap();
    read_until_only(&catalog, &[Node::Replica(2)]).await;
    // And a write does not wait for who is not there.
    bounded(catalog.change(7, &CHEAPER)).await.unwrap();

    cluster.replicas()[1].kill().await.unwrap();
    read_until_only(&catalog, &[Node::Primary]).await;
    bounded(catalog.change(7, &CHEAPER)).await.unwrap();

    let (one, other) = tokio::join!(
        cluster.replicas()[0].start_again(),
        cluster.replicas()[1].start_again()
    );
    one.and(other).unwrap();
    read_until_all_answer(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;
}

#[tokio::test]
async fn without_the_primary_reads_go_on_and_writes_are_reported_until_it_is_back() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let catalog = open(
        &primary,
        &[connect_replica(&cluster.replica_urls()[0]).unwrap()],
    )
    .await;
    bounded(catalog.change(7, &CHEAPER)).await.unwrap();

    cluster.primary().kill().await.unwrap();

    let (refused, is_healthy) =
        bounded(async { tokio::join!(catalog.change(7, &CHEAPER), ping(&primary)) }).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(
        matches!(is_healthy, Err(StoreError::Unavailable(_))),
        "{is_healthy:?}"
    );
    for _ in 0..20 {
        let read = bounded(catalog.product(7))
            .await
            .expect("the replica still has the game");
        assert_eq!(read.node, Node::Replica(1));
    }
    // With nobody left to ask, that is reported too.
    cluster.replicas()[0].kill().await.unwrap();
    let refused = bounded(catalog.product(7)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );

    let (one, other) = tokio::join!(
        cluster.primary().start_again(),
        cluster.replicas()[0].start_again()
    );
    one.and(other).unwrap();
    // Connections that died with the server are found out before they are used.
    let again = bounded(catalog.change(7, &CHEAPER)).await;
    again.expect("the primary is back, and the same pools must reach it");

    // Once more, in a moment when nobody uses its connections.
    cluster.primary().kill().await.unwrap();
    cluster.primary().start_again().await.unwrap();
    let again = bounded(catalog.change(7, &CHEAPER)).await;
    again.expect("a connection that died while it was idle was used");
    read_until_all_answer(&catalog, &[Node::Replica(1)]).await;
}

#[tokio::test]
async fn a_shard_that_is_away_is_away_for_its_own_customers_only() {
    let store = Store::empty().await;
    let server = Server::start(Service::Postgres).await.unwrap();
    let mut shards = store.shards.clone();
    shards[2] = connect(&server.url()).unwrap();
    ch02_database::postgres::migrate(&store.primary, &shards)
        .await
        .unwrap();
    ch02_database::seed::seed_store(&store.primary, &shards, SIZES, |_, _| ())
        .await
        .unwrap();
    let orders = PgOrders::new(shards);
    let new = |shard, key: &str| NewOrder {
        customer: Generator::new(42)
            .customers()
            .iter()
            .find(|name| orders.shard_of_customer(name) == shard)
            .unwrap()
            .clone(),
        game_id: 7,
        quantity: 1,
        unit_price_cents: 1_999,
        idempotency_key: key.to_owned(),
    };
    for shard in 0..4 {
        orders.place(&new(shard, "before")).await.unwrap();
    }

    server.kill().await.unwrap();

    for shard in [0, 1, 3] {
        let placed = bounded(orders.place(&new(shard, "meanwhile")))
            .await
            .unwrap();
        let PlaceOutcome::Created(order) = placed else {
            panic!("{placed:?}")
        };
        assert_eq!(orders.get(order.id).await.unwrap(), Some(order));
    }
    let new = new(2, "meanwhile");
    let asked = async {
        tokio::join!(
            orders.place(&new),
            orders.list_by_customer(&new.customer, None, 10),
            orders.count_by_shard()
        )
    };
    let (placed, found, counted) = bounded(asked).await;
    assert!(
        matches!(placed, Err(StoreError::Unavailable(_))),
        "{placed:?}"
    );
    assert!(
        matches!(found, Err(StoreError::Unavailable(_))),
        "{found:?}"
    );
    assert!(counted.is_err(), "a count of some shards is no count");

    server.start_again().await.unwrap();
    let placed = poll_until("the shard takes orders again", async || {
        bounded(orders.place(&new)).await.ok()
    })
    .await;
    assert!(
        matches!(
            placed,
            PlaceOutcome::Created(_) | PlaceOutcome::AlreadyPlaced(_)
        ),
        "{placed:?}"
    );
    let placed = orders
        .list_by_customer(&new.customer, None, 10)
        .await
        .unwrap();
    assert_eq!(
        placed.len(),
        2,
        "the order from before the kill, and the one after: {placed:?}"
    );
}

#[test]
fn an_address_that_is_none_is_explained() {
    for url in ["", "localhost", "postgres://localhost:many/store"] {
        let InvalidUrl { .. } = connect(url).unwrap_err();
        let message = connect_replica(url).unwrap_err().to_string();
        assert!(message.contains("postgres://USER"), "{message}");
    }
}
