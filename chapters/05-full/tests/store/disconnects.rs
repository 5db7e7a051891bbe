//! Clients that disconnect during a request: connections stay usable, copies stay right, and no
//! write happens twice.

use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use ch01_clones::web::identity::Identity;
use ch05_full::http::CloneState;
use ch05_full::http::metrics::Metrics;
use ch05_full::services::embedded::{EmbeddedStorage, SqliteDatabase};
use ch05_full::services::{DataDir, Services};
use reqwest::StatusCode;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, SqlitePool};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{TestStore, poll_until, small};

const SCHEMA: &str = "CREATE TABLE notes (n INTEGER PRIMARY KEY) STRICT";

/// Polls a future this many times, then drops it, like axum when a client disconnects.
async fn drop_after(polls: usize, future: impl Future) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ready =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready()))
                .await;
        if ready {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Starts 1,000 writes and drops each after 0 to 7 polls. Checks after each that the pool's only
/// connection is outside a transaction. Returns how many writes are committed.
async fn abandon_1000_writes(pool: &SqlitePool, write_and_abandon: impl AsyncFn(usize)) -> i64 {
    for round in 0..1_000 {
        write_and_abandon(round % 8).await;
        let mut connection = pool.acquire().await.unwrap();
        // Inside a transaction, BEGIN fails.
        let begin = sqlx::query("BEGIN").execute(&mut *connection).await;
        assert!(
            begin.is_ok(),
            "round {round} left the connection inside a transaction: {begin:?}"
        );
        sqlx::query("ROLLBACK")
            .execute(&mut *connection)
            .await
            .unwrap();
    }
    // The last writes may still run.
    let count = async || {
        sqlx::query_scalar("SELECT count(*) FROM notes")
            .fetch_one(pool)
            .await
            .unwrap()
    };
    let mut written: i64 = count().await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
        written = written.max(count().await);
    }
    written
}

const INSERT: &str = "INSERT INTO notes DEFAULT VALUES";

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_writes_finish_and_leave_connections_clean() {
    // Every eighth of the 1000 writes is dropped before its first poll, so 875 start.
    let started = 875;

    let db = SqliteDatabase::open(None, &[SCHEMA]).await.unwrap();
    let written = abandon_1000_writes(db.readers(), async |polls| {
        drop_after(
            polls,
            db.write(|db| Box::pin(async move { sqlx::query(INSERT).execute(db).await })),
        )
        .await;
    })
    .await;
    assert_eq!(
        written, started,
        "a started write must finish although its caller has gone"
    );

    // The naive version: the transaction is inside the future that is dropped. It uses a file,
    // because a database in memory ends with its connection.
    let dir = tempfile::tempdir().unwrap();
    let file = SqliteConnectOptions::new()
        .filename(dir.path().join("naive.db"))
        .create_if_missing(true);
    let naive = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(file)
        .await
        .unwrap();
    sqlx::query(SCHEMA).execute(&naive).await.unwrap();
    let written = abandon_1000_writes(&naive, async |polls| {
        let write = async {
            #[expect(clippy::disallowed_methods, reason = "the test shows its effect")]
            let mut transaction = naive.begin().await.unwrap();
            sqlx::query(INSERT)
                .execute(&mut *transaction)
                .await
                .unwrap();
            transaction.commit().await.unwrap();
        };
        drop_after(polls, write).await;
    })
    .await;
    assert!(
        written < started,
        "the naive version finished all writes, so this test proves nothing"
    );
}

#[tokio::test]
async fn failed_write_is_rolled_back() {
    let db = SqliteDatabase::open(None, &[SCHEMA]).await.unwrap();
    let failed: Result<(), _> = db
        .write(|db| {
            Box::pin(async move {
                sqlx::query("INSERT INTO notes (n) VALUES (1)")
                    .execute(&mut *db)
                    .await?;
                sqlx::query("INSERT INTO notes (n) VALUES (1)")
                    .execute(db)
                    .await
                    .map(drop)
            })
        })
        .await;
    assert!(failed.is_err());
    let mut connection = db.readers().acquire().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM notes")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(count, 0);
    connection.begin().await.unwrap();
}

#[tokio::test]
async fn disconnected_price_change_still_invalidates_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let store = TestStore::start_with(ch05_full::cli::ServeArgs {
        data_dir: Some(dir.path().to_owned()),
        ..small()
    })
    .await;
    let ada = store.customer("ada").await;
    let cookie = session_cookie(&ada.post("/login", json!({ "user": "ada" })).await);

    for price in 1_000..1_100 {
        ada.game(7).await;
        let body = json!({ "price_cents": price }).to_string();
        send_and_disconnect(&store.url, &cookie, "PATCH /games/7", &body).await;

        // When the database has the new price, the cache must get it too.
        let written = async || {
            let uncached = ada
                .request(reqwest::Method::GET, "/games/7")
                .header("cache-control", "no-cache");
            let game = crate::support::send(uncached).await.json();
            (game["price_cents"] == price).then_some(())
        };
        poll_until(written).await;
        let shown = async || (ada.game(7).await["price_cents"] == price).then_some(());
        poll_until(shown).await;
    }
}

#[tokio::test]
async fn disconnected_order_is_placed_once_when_retried() {
    let store = TestStore::start().await;
    let ada = store.customer("ada").await;
    let cookie = session_cookie(&ada.post("/login", json!({ "user": "ada" })).await);
    for n in 0..100 {
        let key = format!("Idempotency-Key: key-{n}\r\n{cookie}");
        send_and_disconnect(
            &store.url,
            &key,
            "POST /orders",
            r#"{"game_id":7,"quantity":1}"#,
        )
        .await;
    }
    for n in 0..100 {
        assert_eq!(
            ada.order(7, 1, &format!("key-{n}")).await.status,
            StatusCode::CREATED
        );
    }
    assert_eq!(ada.all_orders().await.len(), 100);
}

fn session_cookie(login: &crate::support::TextResponse) -> String {
    format!(
        "cookie: {}",
        login.header("set-cookie").split(';').next().unwrap()
    )
}

/// Sends a complete request and closes the connection without waiting for the response.
async fn send_and_disconnect(url: &str, headers: &str, request_line: &str, body: &str) {
    let request = format!(
        "{request_line} HTTP/1.1\r\nhost: x\r\n{headers}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Uses the router without a connection, so the test decides when the client disconnects.
#[tokio::test]
async fn disconnected_and_rejected_writes_are_counted() {
    let dir = DataDir::resolve(Some(":memory:".as_ref())).unwrap();
    let embedded = Arc::new(
        EmbeddedStorage::open(&dir, small().seed_request(), |_, _| ())
            .await
            .unwrap(),
    );
    let (services, _) = Services::embedded(&embedded).await.unwrap();
    let metrics = Metrics::default();
    let clone = ch05_full::http::router(CloneState {
        services,
        identity: Identity::new("clone-1"),
        metrics: metrics.clone(),
        stopping: CancellationToken::new(),
    });
    let login = |spaces: usize| {
        let body = " ".repeat(spaces) + r#"{"user":"ada"}"#;
        let request = http::Request::post("/login").header("content-type", "application/json");
        let request = request.header("content-length", body.len());
        clone
            .clone()
            .oneshot(request.body(axum::body::Body::from(body)).unwrap())
    };
    let counted = |status: u16| {
        metrics
            .encode()
            .contains(&format!(r#"route="/login",status="{status}"}} 1"#))
    };

    // One poll starts the write. Then the future is dropped, like hyper when a connection closes.
    let is_pending =
        poll_fn(|context| Poll::Ready(pin!(login(0)).poll(context).is_pending())).await;
    assert!(
        is_pending,
        "the login finished before its client could disconnect"
    );
    assert!(!counted(200));
    poll_until(async || counted(200).then_some(())).await;

    let rejected = login(100_000).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(counted(413), "{}", metrics.encode());
}
