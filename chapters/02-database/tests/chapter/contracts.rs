//! The contracts of both seams, on PostgreSQL.

use std::time::Duration;

use ch02_database::catalog::Catalog;
use ch02_database::contract;
use ch02_database::postgres::migrate;
use ch02_database::seed::seed_store;
use ch02_database::{GameId, PgOrders};
use chrono::{DateTime, Utc};

use crate::support::{CHEAPER, GAMES, SIZES, Store, open};

#[tokio::test]
async fn the_catalogue_with_replicas_keeps_its_contract() {
    let store = Store::filled().await;
    contract::check_catalog(&store.pg_catalog().await, GAMES).await;
}

#[tokio::test]
async fn the_catalogue_without_replicas_keeps_its_contract() {
    let store = Store::filled().await;
    contract::check_catalog(&open(&store.primary, &[]).await, GAMES).await;
}

#[tokio::test]
async fn orders_over_four_shards_keep_their_contract() {
    let store = Store::filled().await;
    contract::check_orders(&store.pg_orders(), GAMES).await;
}

#[tokio::test]
async fn orders_on_one_shard_keep_their_contract() {
    let store = Store::empty().await;
    let shards = vec![store.shards[0].clone()];
    migrate(&store.primary, &shards).await.unwrap();
    seed_store(&store.primary, &shards, SIZES, |_, _| ())
        .await
        .unwrap();
    contract::check_orders(&PgOrders::new(shards), GAMES).await;
}

#[tokio::test]
async fn a_clock_that_goes_back_gives_no_game_an_earlier_version() {
    let store = Store::filled().await;
    let catalog = open(&store.primary, &[]).await;
    // As if the game was last changed on a server whose clock was fast.
    let fast = Utc::now() + Duration::from_hours(1);
    let written: DateTime<Utc> =
        sqlx::query_scalar("UPDATE games SET updated_at = $1 WHERE id = $2 RETURNING updated_at")
            .bind(fast)
            .bind(7 as GameId)
            .fetch_one(&store.primary)
            .await
            .unwrap();
    let changed = catalog.change(7, &CHEAPER).await.unwrap().unwrap();
    assert!(
        changed.updated_at > written,
        "publishers take {} for an older version",
        changed.updated_at
    );
}
