//! Shared servers: each test gets a namespace that no other test sees.

use sqlx::{Connection, PgConnection};
use testbed::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn shared_server_is_started_once() {
    let first = testbed::shared(Service::Redis).await.unwrap();
    let second = testbed::shared(Service::Redis).await.unwrap();
    assert_eq!(first.address(), second.address());
}

#[tokio::test]
async fn ten_databases_are_isolated() {
    let tests = (0..10).map(|number| async move {
        let database = testbed::postgres().await.unwrap();
        let mut primary = PgConnection::connect(&database.url()).await.unwrap();
        sqlx::query("CREATE TABLE numbers (number INT)")
            .execute(&mut primary)
            .await
            .unwrap();
        sqlx::query("INSERT INTO numbers VALUES ($1)")
            .bind(number)
            .execute(&mut primary)
            .await
            .unwrap();
        let found: Vec<i32> = sqlx::query_scalar("SELECT number FROM numbers")
            .fetch_all(&mut primary)
            .await
            .unwrap();
        assert_eq!(found, [number], "another test writes into this database");
    });
    futures_util::future::join_all(tests).await;
}

#[tokio::test]
async fn copied_database_has_the_content_alone() {
    let original = testbed::postgres().await.unwrap();
    let mut connection = PgConnection::connect(&original.url()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE numbers (number INT); INSERT INTO numbers VALUES (7)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();

    let (one, other) = tokio::join!(original.copy(), original.copy());
    let (one, other) = (one.unwrap(), other.unwrap());

    let mut connection = PgConnection::connect(&one.url()).await.unwrap();
    sqlx::query("UPDATE numbers SET number = 8")
        .execute(&mut connection)
        .await
        .unwrap();
    for database in [&original, &other] {
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        let found: Vec<i32> = sqlx::query_scalar("SELECT number FROM numbers")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(found, [7], "expected the content of the original");
    }
}

#[tokio::test]
async fn replica_has_database_and_refuses_writes() {
    let database = testbed::postgres().await.unwrap();
    let mut replica = PgConnection::connect(&database.replica_url())
        .await
        .unwrap();
    let is_replica: bool = sqlx::query_scalar("SELECT pg_is_in_recovery()")
        .fetch_one(&mut replica)
        .await
        .unwrap();
    assert!(is_replica);
    let refused = sqlx::query("CREATE TABLE x (y INT)")
        .execute(&mut replica)
        .await
        .unwrap_err();
    assert_eq!(
        refused.as_database_error().unwrap().code().as_deref(),
        Some("25006")
    );
}

#[tokio::test]
async fn dropped_database_is_gone() {
    let database = testbed::postgres().await.unwrap();
    let url = database.url();
    let mut open = PgConnection::connect(&url).await.unwrap();
    drop(database);
    assert!(
        sqlx::query("SELECT 1").execute(&mut open).await.is_err(),
        "an open connection keeps the database alive"
    );
    assert!(PgConnection::connect(&url).await.is_err());
}

#[tokio::test]
async fn two_redis_databases_are_isolated() {
    let (one, two) = (
        testbed::redis().await.unwrap(),
        testbed::redis().await.unwrap(),
    );
    assert_ne!(one.url(), two.url());
    assert_eq!(redis(&one.url(), "SET key 1").await, "+OK");
    assert_eq!(redis(&two.url(), "EXISTS key").await, ":0");
    let url = one.url();
    drop(one);
    assert_eq!(
        redis(&url, "EXISTS key").await,
        ":0",
        "the dropped database was not emptied"
    );
}

#[tokio::test]
async fn memcached_nodes_answer_and_prefixes_differ() {
    let (one, two) = (
        testbed::memcached().await.unwrap(),
        testbed::memcached().await.unwrap(),
    );
    assert_ne!(one.prefix(), two.prefix());
    assert_eq!(one.nodes().len(), 3);
    for node in one.nodes() {
        let mut stream = TcpStream::connect(node).await.unwrap();
        stream.write_all(b"version\r\n").await.unwrap();
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"VERSION");
    }
}

#[tokio::test]
async fn two_virtual_hosts_differ() {
    let (one, two) = tokio::join!(testbed::rabbitmq(), testbed::rabbitmq());
    assert_ne!(one.unwrap().url(), two.unwrap().url());
}

/// Sends one command to the database at this URL.
async fn redis(url: &str, command: &str) -> String {
    let (address, number) = url.trim_start_matches("redis://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let commands = format!("SELECT {number}\r\n{command}\r\nQUIT\r\n");
    stream.write_all(commands.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply.lines().nth(1).unwrap_or_default().to_owned()
}
