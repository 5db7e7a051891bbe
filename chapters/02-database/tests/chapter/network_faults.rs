//! A silent network: connections stay open, but no answer arrives. Every wait must end.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ch02_database::postgres::{connect, connect_replica, transact};
use ch02_database::replication::RouterSettings;
use ch02_database::{Catalog, Consistency, Node, Orders, PgCatalog, PgOrders};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testbed::{Fault, FaultProxy};
use tokio::sync::Notify;

use crate::support::{
    GAMES, LOWER_PRICE, Store, assert_unavailable, open_catalog, poll_until,
    read_until_every_node_answered, within_limit,
};

#[tokio::test]
async fn silent_server_is_reported_in_time() {
    let store = Store::filled().await;
    let primary_proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let replica_proxy = FaultProxy::before(address(&store.catalog.replica_url()))
        .await
        .unwrap();
    let primary = connect(&url_through(&store.catalog.url(), &primary_proxy)).unwrap();
    let replica =
        connect_replica(&url_through(&store.catalog.replica_url(), &replica_proxy)).unwrap();
    let catalog = open_catalog(&primary, &[replica]).await;
    within_limit(catalog.change(7, &LOWER_PRICE)).await.unwrap();
    read_until_every_node_answered(&catalog, &[Node::Replica(1)]).await;

    // The connections stay open, so an idle connection still looks healthy.
    primary_proxy.inject(Fault::Blackhole);
    let change = within_limit(catalog.change(7, &LOWER_PRICE)).await;
    assert_unavailable(&change);
    assert_eq!(
        within_limit(catalog.product(7, Consistency::Eventual))
            .await
            .unwrap()
            .node,
        Node::Replica(1)
    );

    replica_proxy.inject(Fault::Blackhole);
    let read = within_limit(catalog.product(7, Consistency::Eventual)).await;
    assert_unavailable(&read);

    primary_proxy.heal();
    replica_proxy.heal();
    poll_until("writes succeed again through the same pools", async || {
        within_limit(catalog.change(7, &LOWER_PRICE)).await.ok()
    })
    .await;
    read_until_every_node_answered(&catalog, &[Node::Replica(1)]).await;
}

#[tokio::test]
async fn silent_replica_delays_only_the_first_read() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.replica_url()))
        .await
        .unwrap();
    let silent = connect_replica(&url_through(&store.catalog.replica_url(), &proxy)).unwrap();
    // The monitor never runs again, so only the failed read can eject the replica.
    let settings = RouterSettings {
        check_interval: Duration::from_hours(1),
        ..RouterSettings::default()
    };
    let replicas = vec![silent, store.replica.clone()];
    let catalog = PgCatalog::open(store.primary.clone(), replicas, settings).await;
    read_until_every_node_answered(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;

    proxy.inject(Fault::Blackhole);

    let reads = async {
        for _ in 0..200 {
            catalog
                .product(7, Consistency::Eventual)
                .await
                .expect("a read failed although two servers were up");
        }
    };
    within_limit(reads).await;
}

/// Starts a read and cuts the network while the read waits for its answer. A table lock on the
/// primary makes `server` wait with the answer: the primary itself, or a replica that replays the
/// lock.
async fn cut_network_during_read<T>(
    primary: &PgPool,
    server: &PgPool,
    table: &str,
    proxy: &FaultProxy,
    read: impl Future<Output = T>,
) -> T {
    let mut holder = primary.acquire().await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {table}");
    holder.execute(AssertSqlSafe(lock)).await.unwrap();
    // The commit of any transaction sends the lock to the replicas.
    let commit = "SELECT pg_logical_emit_message(true, '', '')";
    primary.execute(commit).await.unwrap();
    // A replica that has not replayed the lock would answer the read at once.
    let held = count_locks("granted AND mode = 'AccessExclusiveLock'");
    poll_until("the server has the table lock", async || {
        is_one(server, &held, table).await
    })
    .await;
    let cut_network = async {
        let waiting = count_locks("NOT granted");
        poll_until("the read waits for the table lock", async || {
            is_one(server, &waiting, table).await
        })
        .await;
        proxy.inject(Fault::Blackhole);
        holder.execute("ROLLBACK").await.unwrap();
    };
    within_limit(async { tokio::join!(read, cut_network) })
        .await
        .0
}

/// Counts the locks of a table, in this database only.
fn count_locks(condition: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database \
         WHERE datname = current_database() AND relation = $1::regclass AND {condition}"
    )
}

async fn is_one(server: &PgPool, count: &str, table: &str) -> Option<()> {
    let count = sqlx::query_scalar(AssertSqlSafe(count.to_owned())).bind(table);
    let count: i64 = count.fetch_one(server).await.unwrap();
    (count == 1).then_some(())
}

#[tokio::test]
async fn read_from_silenced_server_is_answered_by_another() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let replica_proxy = FaultProxy::before(address(&store.catalog.replica_url()))
        .await
        .unwrap();
    let replica = url_through(&store.catalog.replica_url(), &replica_proxy);
    let catalog = open_catalog(&store.primary, &[connect_replica(&replica).unwrap()]).await;
    read_until_every_node_answered(&catalog, &[Node::Replica(1)]).await;
    let read = cut_network_during_read(
        &store.primary,
        &connect(&store.catalog.replica_url()).unwrap(),
        "games",
        &replica_proxy,
        catalog.product(7, Consistency::Eventual),
    )
    .await;
    assert_eq!(
        read.unwrap().node,
        Node::Primary,
        "the primary without the proxy must answer"
    );

    let url = url_through(&store.catalog.url(), &proxy);
    let catalog = open_catalog(&connect(&url).unwrap(), &[]).await;
    let read = cut_network_during_read(
        &store.primary,
        &store.primary,
        "games",
        &proxy,
        catalog.product(7, Consistency::Eventual),
    )
    .await;
    assert_unavailable(&read);

    let shard = &store.shard_databases[0];
    let proxy = FaultProxy::before(address(&shard.url())).await.unwrap();
    let mut shards = store.shards.clone();
    shards[0] = connect(&url_through(&shard.url(), &proxy)).unwrap();
    let orders = PgOrders::open(&store.primary, shards).await.unwrap();
    let read = cut_network_during_read(
        &store.shards[0],
        &store.shards[0],
        "orders",
        &proxy,
        orders.get(256),
    )
    .await;
    assert_unavailable(&read);
}

#[tokio::test]
async fn silenced_transaction_fails_and_closes_its_connection() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let pool = connect(&url_through(&store.catalog.url(), &proxy)).unwrap();
    let (has_updated, is_cut) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (updated, cut) = (has_updated.clone(), is_cut.clone());
    let write = transact(&pool, move |db| {
        Box::pin(async move {
            db.execute("UPDATE games SET price_cents = 1").await?;
            updated.notify_one();
            cut.notified().await;
            db.execute("UPDATE games SET price_cents = 2")
                .await
                .map(drop)
        })
    });
    let cut_network = async {
        has_updated.notified().await;
        proxy.inject(Fault::Blackhole);
        is_cut.notify_one();
    };

    let (written, ()) = within_limit(async { tokio::join!(write, cut_network) }).await;

    assert_unavailable(&written);
    assert_eq!(
        pool.size(),
        0,
        "the state of the connection is unknown, so the pool must close it"
    );
    proxy.heal();
    let unchanged = "SELECT count(*) FROM games WHERE price_cents > 2";
    let count: i64 = sqlx::query_scalar(unchanged)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(count, GAMES, "a part of the transaction was committed");
}

#[tokio::test]
async fn abandoned_calls_do_not_exhaust_the_pool() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let pool = connect(&url_through(&store.catalog.url(), &proxy)).unwrap();
    let catalog = open_catalog(&pool, &[]).await;

    // All connections wait for an answer when the network is cut. Then their callers are dropped.
    let sleep = async || drop(sqlx::query("SELECT pg_sleep(60)").execute(&pool).await);
    let cut_network = async {
        let sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
             AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()";
        poll_until("all five connections wait for an answer", async || {
            let count: i64 = sqlx::query_scalar(sleeping)
                .fetch_one(&store.primary)
                .await
                .unwrap();
            (count == 5).then_some(())
        })
        .await;
        proxy.inject(Fault::Blackhole);
    };
    tokio::select! {
        biased;
        () = cut_network => {}
        _ = join_all((0..5).map(|_| sleep())) => panic!("the queries ended before the network was cut"),
    }

    // The network stays cut: the pool must close the connections without new packets.
    poll_until(
        "the pool has closed the abandoned connections",
        async || (pool.size() == 0).then_some(()),
    )
    .await;
    proxy.heal();
    assert_eq!(
        within_limit(catalog.product(7, Consistency::Eventual))
            .await
            .unwrap()
            .node,
        Node::Primary
    );
}

/// The address in a URL.
pub fn address(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once('@').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// The same database through the proxy.
fn url_through(url: &str, proxy: &FaultProxy) -> String {
    url.replace(&address(url).to_string(), &proxy.address().to_string())
}
