//! What a test can do to a PostgreSQL cluster: delay the WAL, wait for standbys, promote.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor, Row};
use testbed::{Fault, PostgresCluster, Server};

async fn connect(server: &Server) -> PgConnection {
    let options = PgConnectOptions::from_str(&server.url()).unwrap();
    options.connect().await.unwrap()
}

/// The number of rows of the table `numbers`; `None` while the table does not exist.
async fn count(server: &Server) -> Option<i64> {
    let mut connection = connect(server).await;
    let row = connection.fetch_one("SELECT count(*) FROM numbers").await;
    row.ok().map(|row| row.get(0))
}

async fn wait_for_count(server: &Server, expected: i64) {
    let wait = async {
        while count(server).await != Some(expected) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), wait).await;
    waited.unwrap_or_else(|_| panic!("{} has not {expected} rows", server.name()));
}

#[tokio::test]
async fn cut_wal_link_stops_one_replica_only() {
    let cluster = PostgresCluster::builder().replicas(2).wal_links();
    let cluster = cluster.start().await.unwrap();
    let mut primary = connect(cluster.primary()).await;
    primary
        .execute("CREATE TABLE numbers (n int)")
        .await
        .unwrap();
    wait_for_count(&cluster.replicas()[0], 0).await;

    cluster.wal_link(0).inject(Fault::Blackhole);
    primary
        .execute("INSERT INTO numbers VALUES (1)")
        .await
        .unwrap();

    wait_for_count(&cluster.replicas()[1], 1).await;
    assert_eq!(
        count(&cluster.replicas()[0]).await,
        Some(0),
        "the replica got the row although its link is cut"
    );
    cluster.wal_link(0).heal();
    wait_for_count(&cluster.replicas()[0], 1).await;
}

#[tokio::test]
async fn promoted_replica_replaces_the_killed_primary() {
    let cluster = PostgresCluster::builder().synchronous_standbys(1);
    let mut cluster = cluster.start().await.unwrap();
    let mut primary = connect(cluster.primary()).await;
    primary
        .execute("CREATE TABLE numbers (n int)")
        .await
        .unwrap();
    cluster.primary().kill().await.unwrap();
    let mut promoted = connect(&cluster.replicas()[0]).await;
    promoted.execute("SELECT pg_promote()").await.unwrap();

    cluster.mark_promoted(0);
    promoted
        .execute("INSERT INTO numbers VALUES (1)")
        .await
        .unwrap();
    assert_eq!(count(cluster.primary()).await, Some(1));

    let former = &cluster.former_primaries()[0];
    former.start_again().await.unwrap();
    let mut connection = connect(former).await;
    let row = connection.fetch_one("SELECT pg_is_in_recovery()").await;
    assert!(
        !row.unwrap().get::<bool, _>(0),
        "it has to believe that it is the primary"
    );
    assert_eq!(count(former).await, Some(0));

    cluster.replace_former_primaries().await.unwrap();
    wait_for_count(&cluster.replicas()[0], 1).await;
}
