//! A replica that comes back behind its former position. After a crash it replays the log from an
//! earlier point, and answers reads before it is where it was.

use std::net::SocketAddr;
use std::time::Duration;

use ch02_database::catalog::GameChange;
use ch02_database::postgres::{connect, connect_replica};
use ch02_database::replication::RouterSettings;
use ch02_database::{Catalog, Consistency, Node, PgCatalog};
use sqlx::Executor;
use testbed::PostgresCluster;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::network_faults::address;
use crate::support::{fill_catalog, poll_until, within_limit};

/// Forwards connections to the current server. A new server closes the connections to the old one,
/// as a restart does.
async fn forward(listener: TcpListener, server: watch::Receiver<SocketAddr>) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = server.clone();
        tokio::spawn(async move {
            let address = *server.borrow_and_update();
            let mut upstream = TcpStream::connect(address).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut upstream) => {}
                _ = server.changed() => {}
            }
        });
    }
}

#[tokio::test]
async fn restarted_replica_gives_no_stale_read() {
    let cluster = PostgresCluster::start(2).await.unwrap();
    let primary = connect(&cluster.url()).unwrap();
    fill_catalog(&primary).await;
    let [current, behind] = [0, 1].map(|index| cluster.replica_urls()[index].clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let public = listener.local_addr().unwrap().to_string();
    let url = current.replace(&address(&current).to_string(), &public);
    let (server, receiver) = watch::channel(address(&current));
    tokio::spawn(forward(listener, receiver));

    // The monitor does not run again, so it cannot find the restart.
    let settings = RouterSettings {
        check_interval: Duration::from_hours(1),
        ..RouterSettings::default()
    };
    let replicas = vec![connect_replica(&url).unwrap()];
    let catalog = PgCatalog::open(primary.clone(), replicas, settings).await;
    let paused = connect(&behind).unwrap();
    poll_until("the other replica has the games", async || {
        let found = paused.execute("SELECT FROM games WHERE id = 7").await;
        found.ok().filter(|found| found.rows_affected() == 1)
    })
    .await;
    paused
        .execute("SELECT pg_wal_replay_pause()")
        .await
        .unwrap();
    let change = GameChange {
        price_cents: Some(1),
        description: None,
    };
    let written = within_limit(catalog.change(7, &change)).await.unwrap();
    let token = Consistency::from(written.token);
    let read = async |consistency| {
        let read = within_limit(catalog.game(7, consistency)).await.unwrap();
        (read.node, read.value.unwrap().price_cents)
    };
    poll_until("the replica answers with the write", async || {
        (read(token).await == (Node::Replica(1), 1)).then_some(())
    })
    .await;

    server.send(address(&behind)).unwrap();
    assert_eq!(
        read(token).await,
        (Node::Primary, 1),
        "the position from before the restart was believed"
    );
    let shown: i64 = sqlx::query_scalar("SELECT price_cents FROM games WHERE id = 7")
        .fetch_one(&paused)
        .await
        .unwrap();
    assert_ne!(shown, 1, "it is not behind, so this test proves nothing");
}
