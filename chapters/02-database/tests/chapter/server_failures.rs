//! Servers that are killed and started again: reads continue, writes fail with an error, and the
//! same pools recover.

use std::cell::Cell;

use ch02_database::model::{NewOrder, PlaceOutcome};
use ch02_database::orders::{OrderFilter, OrderSort};
use ch02_database::postgres::{InvalidUrl, ReadPool, connect, connect_replica, migrate, ping};
use ch02_database::seed::generator::{Generator, SAMPLE_ORDERS};
use ch02_database::seed::seed_store;
use ch02_database::{Catalog, Consistency, Node, Orders, PgCatalog, PgOrders, ShardMap};
use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use testbed::{PostgresCluster, Server, Service};

use crate::support::{
    LOWER_PRICE, SEED_REQUEST, Store, assert_unavailable, fill_catalog, open_catalog, poll_until,
    read_until_every_node_answered, within_limit,
};

/// Reads until only these servers answer.
async fn read_until_only(catalog: &PgCatalog, nodes: &[Node]) {
    poll_until("only the servers that are up answer reads", async || {
        let mut answered = Vec::new();
        for _ in 0..10 {
            answered.push(
                within_limit(catalog.product(7, Consistency::Eventual))
                    .await
                    .expect("a read failed although a server was up")
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
async fn killed_replica_fails_no_read_and_returns() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let replicas: Vec<ReadPool> = cluster
        .replica_urls()
        .iter()
        .map(|url| connect_replica(url).unwrap())
        .collect();
    let catalog = open_catalog(&primary, &replicas).await;
    within_limit(catalog.change(7, &LOWER_PRICE)).await.unwrap();
    read_until_every_node_answered(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;

    // Eight clients read while the replica dies, until it is out of rotation.
    let is_ejected = || !catalog.replicas()[0].is_in_rotation;
    let (is_killed, answered_by_killed) = (Cell::new(false), Cell::new(0));
    let client = async || {
        while !(is_killed.get() && is_ejected()) {
            let read = within_limit(catalog.product(7, Consistency::Eventual)).await;
            let read = read.expect("a read failed while a replica died");
            let is_by_killed = read.node == Node::Replica(1);
            answered_by_killed.update(|count| count + usize::from(is_by_killed));
        }
    };
    let kill = async {
        poll_until("the replica answers the clients", async || {
            (answered_by_killed.get() > 20).then_some(())
        })
        .await;
        cluster.replicas()[0].kill().await.unwrap();
        is_killed.set(true);
    };
    tokio::join!(join_all((0..8).map(|_| client())), kill);
    read_until_only(&catalog, &[Node::Replica(2)]).await;
    // A write does not wait for the dead replica.
    within_limit(catalog.change(7, &LOWER_PRICE)).await.unwrap();

    cluster.replicas()[1].kill().await.unwrap();
    read_until_only(&catalog, &[Node::Primary]).await;
    within_limit(catalog.change(7, &LOWER_PRICE)).await.unwrap();

    let (one, other) = tokio::join!(
        cluster.replicas()[0].start_again(),
        cluster.replicas()[1].start_again()
    );
    one.and(other).unwrap();
    read_until_every_node_answered(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;
}

#[tokio::test]
async fn reads_continue_without_the_primary() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let catalog = open_catalog(
        &primary,
        &[connect_replica(&cluster.replica_urls()[0]).unwrap()],
    )
    .await;
    within_limit(catalog.change(7, &LOWER_PRICE)).await.unwrap();

    cluster.primary().kill().await.unwrap();

    let (change, health) =
        within_limit(async { tokio::join!(catalog.change(7, &LOWER_PRICE), ping(&primary)) }).await;
    assert_unavailable(&change);
    assert_unavailable(&health);
    for _ in 0..20 {
        let read = within_limit(catalog.product(7, Consistency::Eventual))
            .await
            .expect("the replica still has the game");
        assert_eq!(read.node, Node::Replica(1));
    }
    // Without any server, a read fails too.
    cluster.replicas()[0].kill().await.unwrap();
    let read = within_limit(catalog.product(7, Consistency::Eventual)).await;
    assert_unavailable(&read);

    let (one, other) = tokio::join!(
        cluster.primary().start_again(),
        cluster.replicas()[0].start_again()
    );
    one.and(other).unwrap();
    // The pool detects dead connections before their next use.
    let again = within_limit(catalog.change(7, &LOWER_PRICE)).await;
    again.expect("the primary is up again, but the pool does not reach it");

    // A second kill, while no connection is in use.
    cluster.primary().kill().await.unwrap();
    cluster.primary().start_again().await.unwrap();
    let again = within_limit(catalog.change(7, &LOWER_PRICE)).await;
    again.expect("the pool used a connection that died while it was idle");
    read_until_every_node_answered(&catalog, &[Node::Replica(1)]).await;
}

#[tokio::test]
async fn failed_shard_affects_only_its_own_customers() {
    let store = Store::empty().await;
    let server = Server::start(Service::Postgres).await.unwrap();
    let mut shards = store.shards.clone();
    shards[2] = connect(&server.url()).unwrap();
    migrate(&store.primary, &shards).await.unwrap();
    seed_store(&store.primary, &shards, SEED_REQUEST, |_, _| ())
        .await
        .unwrap();
    let orders = PgOrders::open(&store.primary, shards).await.unwrap();
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
        payment_reference: None,
    };
    for shard in 0..4 {
        orders.place(&new(shard, "before")).await.unwrap();
    }

    server.kill().await.unwrap();

    for shard in [0, 1, 3] {
        let placed = within_limit(orders.place(&new(shard, "during the failure")))
            .await
            .unwrap();
        let PlaceOutcome::Created(order) = placed else {
            panic!("{placed:?}")
        };
        assert_eq!(orders.get(order.id).await.unwrap(), Some(order));
    }
    let new = new(2, "during the failure");
    let asked = async {
        tokio::join!(
            orders.place(&new),
            orders.list_by_customer(&new.customer, None, 10),
            orders.count_by_shard()
        )
    };
    let (placed, found, counted) = within_limit(asked).await;
    assert_unavailable(&placed);
    assert_unavailable(&found);
    assert!(
        counted.is_err(),
        "a count without one of the shards must be an error"
    );

    let all = OrderFilter::default();
    let totals = within_limit(orders.totals(&all)).await.unwrap();
    let of_shard_2: Vec<u16> = ShardMap::even(4).buckets_of(2).collect();
    assert_eq!(
        totals.missing, of_shard_2,
        "a partial result must say what is missing"
    );
    let placed_elsewhere = (1..=SAMPLE_ORDERS)
        .filter(|id| orders.shard_of_order(*id) != 2)
        .count();
    assert_eq!(
        totals.value.count,
        placed_elsewhere as u64 + 6,
        "the other shards have answered"
    );
    let newest = orders.search(&all, OrderSort::Newest, None, 10);
    assert!(within_limit(newest).await.unwrap().is_partial());

    server.start_again().await.unwrap();
    let placed = poll_until("the shard takes orders again", async || {
        within_limit(orders.place(&new)).await.ok()
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
        "expected the order from before the kill and the one after, got {placed:?}"
    );
}

#[tokio::test]
async fn full_server_is_reported_as_unavailable() {
    let server = Server::builder(Service::Postgres)
        .setting("max_connections", "10")
        .start()
        .await
        .unwrap();
    let primary = connect(&server.url()).unwrap();
    fill_catalog(&primary).await;
    primary.close().await;
    let mut others = Vec::new();
    while let Ok(connection) = PgConnection::connect(&server.url()).await {
        others.push(connection);
    }
    assert!(others.len() >= 5, "the server was full before the test");

    let catalog = open_catalog(&connect(&server.url()).unwrap(), &[]).await;
    let read = within_limit(catalog.product(7, Consistency::Eventual)).await;
    assert_unavailable(&read);
    let message = common::error_chain(&read.unwrap_err());
    assert!(message.contains("max_connections"), "{message}");

    drop(others);
    poll_until(
        "reads succeed when connections are free again",
        async || {
            let read = within_limit(catalog.product(7, Consistency::Eventual)).await;
            read.ok()
        },
    )
    .await;
}

#[test]
fn invalid_address_message_shows_the_format() {
    for url in ["", "localhost", "postgres://localhost:many/store"] {
        let InvalidUrl { .. } = connect(url).unwrap_err();
        let message = connect_replica(url).unwrap_err().to_string();
        assert!(message.contains("postgres://USER"), "{message}");
    }
}
