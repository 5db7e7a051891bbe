//! Servers that say nothing any more: the connection stays open, and no answer comes. Nobody hangs on them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use ch02_database::postgres::{connect, connect_replica, transact};
use ch02_database::{Catalog, Node, Orders, PgOrders, StoreError};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Executor, PgPool};
use testbed::{Fault, FaultProxy};
use tokio::sync::Notify;

use crate::support::{CHEAPER, GAMES, Store, bounded, open, poll_until, read_until_all_answer};

#[tokio::test]
async fn a_server_that_says_nothing_is_reported_and_not_hung_on() {
    let store = Store::filled().await;
    let primary_proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let replica_proxy = FaultProxy::before(address(&store.catalog.replica_url()))
        .await
        .unwrap();
    let primary = connect(&through(&store.catalog.url(), &primary_proxy)).unwrap();
    let replica = connect_replica(&through(&store.catalog.replica_url(), &replica_proxy)).unwrap();
    let catalog = open(&primary, &[replica]).await;
    bounded(catalog.change(7, &CHEAPER)).await.unwrap();
    read_until_all_answer(&catalog, &[Node::Replica(1)]).await;

    // Connections stay open, and nothing comes through: an idle one looks as it did before.
    primary_proxy.inject(Fault::Blackhole);
    let refused = bounded(catalog.change(7, &CHEAPER)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(
        bounded(catalog.product(7)).await.unwrap().node,
        Node::Replica(1)
    );

    replica_proxy.inject(Fault::Blackhole);
    let refused = bounded(catalog.product(7)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );

    primary_proxy.heal();
    replica_proxy.heal();
    poll_until("writes work again, through the same pools", async || {
        bounded(catalog.change(7, &CHEAPER)).await.ok()
    })
    .await;
    read_until_all_answer(&catalog, &[Node::Replica(1)]).await;
}

#[tokio::test]
async fn a_replica_that_says_nothing_costs_a_wait_and_not_one_for_every_read() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.replica_url()))
        .await
        .unwrap();
    let silent = connect_replica(&through(&store.catalog.replica_url(), &proxy)).unwrap();
    let catalog = open(&store.primary, &[silent, store.replica.clone()]).await;
    read_until_all_answer(&catalog, &[Node::Replica(1), Node::Replica(2)]).await;

    proxy.inject(Fault::Blackhole);

    let reads = async {
        for _ in 0..200 {
            catalog
                .product(7)
                .await
                .expect("a read failed though two servers were up");
        }
    };
    bounded(reads).await;
}

/// Lets a read begin, and the network go while the read waits for its answer: a lock on the table makes the server take its time.
async fn silence_in_the_middle<T>(
    server: &PgPool,
    table: &str,
    proxy: &FaultProxy,
    read: impl Future<Output = T>,
) -> T {
    let mut holder = server.acquire().await.unwrap();
    let lock = format!("BEGIN; LOCK TABLE {table}");
    holder.execute(AssertSqlSafe(lock)).await.unwrap();
    let silence = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass";
        poll_until("the read waits for its answer", async || {
            let count: i64 = sqlx::query_scalar(waits)
                .bind(table)
                .fetch_one(server)
                .await
                .unwrap();
            (count == 1).then_some(())
        })
        .await;
        proxy.inject(Fault::Blackhole);
        holder.execute("ROLLBACK").await.unwrap();
    };
    bounded(async { tokio::join!(read, silence) }).await.0
}

#[tokio::test]
async fn a_read_whose_server_falls_silent_in_the_middle_is_answered_by_another_or_reported() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let url = through(&store.catalog.url(), &proxy);
    // The primary stands in for a replica here, for it can be locked.
    let catalog = open(&store.primary, &[connect_replica(&url).unwrap()]).await;
    read_until_all_answer(&catalog, &[Node::Replica(1)]).await;
    let read = silence_in_the_middle(&store.primary, "games", &proxy, catalog.product(7)).await;
    assert_eq!(
        read.unwrap().node,
        Node::Primary,
        "the server itself, without the proxy"
    );

    proxy.heal();
    let catalog = open(&connect(&url).unwrap(), &[]).await;
    let read = silence_in_the_middle(&store.primary, "games", &proxy, catalog.product(7)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");

    let shard = &store.shard_databases[0];
    let proxy = FaultProxy::before(address(&shard.url())).await.unwrap();
    let mut shards = store.shards.clone();
    shards[0] = connect(&through(&shard.url(), &proxy)).unwrap();
    let orders = PgOrders::new(shards);
    let read = silence_in_the_middle(&store.shards[0], "orders", &proxy, orders.get(256)).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
}

#[tokio::test]
async fn a_transaction_whose_server_falls_silent_is_reported_and_its_connection_is_not_used_again()
{
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let pool = connect(&through(&store.catalog.url(), &proxy)).unwrap();
    let (begun, is_silent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (begun.clone(), is_silent.clone());
    let write = transact(&pool, move |db| {
        Box::pin(async move {
            db.execute("UPDATE games SET price_cents = 1").await?;
            tell.notify_one();
            wait.notified().await;
            db.execute("UPDATE games SET price_cents = 2")
                .await
                .map(drop)
        })
    });
    let silence = async {
        begun.notified().await;
        proxy.inject(Fault::Blackhole);
        is_silent.notify_one();
    };

    let (refused, ()) = bounded(async { tokio::join!(write, silence) }).await;

    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(
        pool.size(),
        0,
        "nobody knows what that connection is in the middle of"
    );
    proxy.heal();
    let unchanged = "SELECT count(*) FROM games WHERE price_cents > 2";
    let count: i64 = sqlx::query_scalar(unchanged)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(count, GAMES, "half of a transaction was committed");
}

#[tokio::test]
async fn clients_that_leave_a_server_that_says_nothing_do_not_use_up_the_pool() {
    let store = Store::filled().await;
    let proxy = FaultProxy::before(address(&store.catalog.url()))
        .await
        .unwrap();
    let pool = connect(&through(&store.catalog.url(), &proxy)).unwrap();
    let catalog = open(&pool, &[]).await;

    // All connections are in the middle of an answer when the network goes, and then their users do.
    let sleep = async || drop(sqlx::query("SELECT pg_sleep(60)").execute(&pool).await);
    let network_goes = async {
        let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' \
             AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()";
        poll_until("all connections wait for an answer", async || {
            let count: i64 = sqlx::query_scalar(asleep)
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
        () = network_goes => {}
        _ = join_all((0..5).map(|_| sleep())) => panic!("the answers came too early"),
    }

    // The network stays as it is: whether the connections are given up must not depend on its coming back.
    poll_until("the connections that nobody uses are closed", async || {
        (pool.size() == 0).then_some(())
    })
    .await;
    proxy.heal();
    assert_eq!(
        bounded(catalog.product(7)).await.unwrap().node,
        Node::Primary
    );
}

fn address(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once('@').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

/// The same database through the proxy.
fn through(url: &str, proxy: &FaultProxy) -> String {
    url.replace(&address(url).to_string(), &proxy.address().to_string())
}
