//! The contracts of `Catalog`, `Social`, `News` and `Orders` on PostgreSQL.

use std::time::Duration;

use ch02_database::catalog::Catalog;
use ch02_database::contract;
use ch02_database::postgres::migrate;
use ch02_database::seed::seed_store;
use ch02_database::{GameId, PgOrders};
use chrono::{DateTime, Utc};

use crate::support::{GAMES, LOWER_PRICE, SEED_REQUEST, Store, open_catalog};

#[tokio::test]
async fn catalog_with_replicas_keeps_the_contract() {
    let store = Store::filled().await;
    contract::check_catalog(&store.pg_catalog().await, GAMES).await;
}

#[tokio::test]
async fn catalog_without_replicas_keeps_the_contract() {
    let store = Store::filled().await;
    contract::check_catalog(&open_catalog(&store.primary, &[]).await, GAMES).await;
}

#[tokio::test]
async fn social_with_replicas_keeps_the_contract() {
    let store = Store::filled().await;
    let catalog = store.pg_catalog().await;
    contract::check_social(&catalog, &catalog, GAMES).await;
}

#[tokio::test]
async fn news_with_replicas_keeps_the_contract() {
    let store = Store::filled().await;
    contract::check_news(&store.pg_catalog().await, GAMES).await;
}

#[tokio::test]
async fn orders_on_four_shards_keep_the_contract() {
    let store = Store::filled().await;
    contract::check_orders(&store.pg_orders().await, GAMES).await;
}

#[tokio::test]
async fn thousand_queries_equal_the_unsharded_answer() {
    let store = Store::filled().await;
    // Each of the 340 rounds makes three queries.
    contract::check_order_queries(&store.pg_orders().await, GAMES, 340).await;
}

#[tokio::test]
async fn orders_on_one_shard_keep_the_contract() {
    let store = Store::empty().await;
    let shards = vec![store.shards[0].clone()];
    migrate(&store.primary, &shards).await.unwrap();
    seed_store(&store.primary, &shards, SEED_REQUEST, |_, _| ())
        .await
        .unwrap();
    contract::check_orders(
        &PgOrders::open(&store.primary, shards).await.unwrap(),
        GAMES,
    )
    .await;
}

#[tokio::test]
async fn backward_clock_gives_no_earlier_version() {
    let store = Store::filled().await;
    let catalog = open_catalog(&store.primary, &[]).await;
    // The last change of the game was on a server whose clock is one hour ahead.
    let fast = Utc::now() + Duration::from_hours(1);
    let written: DateTime<Utc> =
        sqlx::query_scalar("UPDATE games SET updated_at = $1 WHERE id = $2 RETURNING updated_at")
            .bind(fast)
            .bind(7 as GameId)
            .fetch_one(&store.primary)
            .await
            .unwrap();
    let changed = catalog
        .change(7, &LOWER_PRICE)
        .await
        .unwrap()
        .value
        .unwrap();
    assert!(
        changed.updated_at > written,
        "the clock went back, and the change got the earlier version {}; publishers would ignore it",
        changed.updated_at
    );
}
