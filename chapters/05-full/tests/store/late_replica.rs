//! Two processes of a store whose replica replays nothing: a user sees the own write in both.

use ch02_database::Naive;
use ch05_full::naive::NaiveTechnique;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use testbed::PostgresCluster;

use crate::support::{TestStore, poll_until, send};

const HEADER: &str = "x-consistency";

#[tokio::test]
async fn write_is_seen_in_another_process() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let mut addresses = None;
    let writer = Box::pin(TestStore::start_external_with(|defaults| {
        defaults.database = cluster.url();
        defaults.replicas = cluster.replica_urls();
        addresses = Some(defaults.clone());
    }))
    .await;
    let addresses = addresses.unwrap();
    let reader = Box::pin(TestStore::start_external_with(|defaults| {
        *defaults = addresses;
    }))
    .await;
    let ada = writer.customer("ada").await;
    let (ada_elsewhere, anyone) = (ada.at(&reader.url), reader.anonymous_client());
    let mut replica = stop_replay(&cluster).await;

    let change = ada.request(Method::PATCH, "/games/7");
    let written = send(change.json(&json!({ "price_cents": 4_242 }))).await;
    let token = written.header(HEADER);
    assert_ne!(token, "", "{}", written.body);
    assert_ne!(
        price_on(&mut replica).await,
        4_242,
        "the replica is not late, so this test proves nothing"
    );

    for path in ["/games/7", "/games?after=6"] {
        let mine = ada_elsewhere.get(path).await;
        assert_eq!(
            price(&mine.json()),
            4_242,
            "{path}: the session's pin does not reach the other process"
        );
        let by_header = send(anyone.request(Method::GET, path).header(HEADER, token)).await;
        assert_eq!(
            price(&by_header.json()),
            4_242,
            "{path}: the header is ignored"
        );
    }
    let page = anyone.request(Method::GET, "/static/games/7.html");
    let page = send(page.header(HEADER, token)).await;
    assert!(
        page.body.contains("42.42"),
        "the page is older than the token"
    );

    let order = ada.order(7, 1, "a-key").await.json();
    assert_eq!(order["total_cents"], 4_242, "the order has an old price");
    let activity = ada_elsewhere.get("/users/ada/activity").await;
    assert!(
        activity.body.contains("\"order\""),
        "the order is missing in the activity: {}",
        activity.body
    );

    for client in [&ada, &ada_elsewhere, &ada] {
        let list = client.get("/games").await;
        assert!(
            list.header(HEADER) >= token,
            "the pin was released, but the replica is still late"
        );
    }
    let resume = sqlx::query("SELECT pg_wal_replay_resume()");
    resume.execute(&mut replica).await.unwrap();
    poll_until(async || {
        let list = ada_elsewhere.get("/games").await;
        list.header(HEADER).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn naive_store_ignores_the_token() {
    let cluster = PostgresCluster::start(1).await.unwrap();
    let naive = NaiveTechnique::Database(Naive::Token);
    let store = Box::pin(TestStore::start_external_naive(
        |defaults| {
            defaults.database = cluster.url();
            defaults.replicas = cluster.replica_urls();
        },
        &[naive],
    ))
    .await;
    let ada = store.customer("ada").await;
    stop_replay(&cluster).await;
    let change = ada.request(Method::PATCH, "/games/7");
    let written = send(change.json(&json!({ "price_cents": 4_242 }))).await;
    assert_ne!(written.header(HEADER), "", "{}", written.body);

    let mine = ada.get("/games?after=6").await;
    assert_ne!(
        price(&mine.json()),
        4_242,
        "`--naive token` does not reach the router"
    );
}

/// The price of the game, or of the first game of a list.
fn price(answer: &Value) -> i64 {
    let game = answer["items"].get(0).unwrap_or(answer);
    game["price_cents"].as_i64().unwrap()
}

async fn price_on(server: &mut PgConnection) -> i64 {
    let query = sqlx::query_scalar("SELECT price_cents FROM games WHERE id = 7");
    query.fetch_one(server).await.unwrap()
}

/// Stops the replay of the only replica after it has the games. Returns a connection to it.
async fn stop_replay(cluster: &PostgresCluster) -> PgConnection {
    let replica = PgConnection::connect(&cluster.replica_urls()[0]).await;
    let replica = tokio::sync::Mutex::new(replica.unwrap());
    poll_until(async || {
        let mut replica = replica.lock().await;
        let seeded = sqlx::query("SELECT 1 FROM games WHERE id = 7")
            .fetch_optional(&mut *replica)
            .await;
        seeded.ok().flatten()
    })
    .await;
    let pause = sqlx::query("SELECT pg_wal_replay_pause()");
    pause.execute(&mut *replica.lock().await).await.unwrap();
    poll_until(async || {
        let mut replica = replica.lock().await;
        let state: String = sqlx::query_scalar("SELECT pg_get_wal_replay_pause_state()")
            .fetch_one(&mut *replica)
            .await
            .unwrap();
        (state == "paused").then_some(())
    })
    .await;
    replica.into_inner()
}
