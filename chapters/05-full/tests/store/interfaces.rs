//! The contracts of the chapters, on the embedded implementations.

use std::sync::Arc;

use ch02_database::seed::SeedRequest;
use ch05_full::services::DataDir;
use ch05_full::services::embedded::{
    EmbeddedStorage, SqliteCatalog, SqliteJobStore, SqliteOrders, SqliteSessions,
};

const GAMES: i64 = 60;

async fn embedded() -> EmbeddedStorage {
    let sizes = SeedRequest {
        games: Some(GAMES as u32),
        ..SeedRequest::default()
    };
    EmbeddedStorage::open(&DataDir::Memory, sizes, |_, _| ())
        .await
        .unwrap()
}

#[tokio::test]
async fn sqlite_sessions_keep_the_contract() {
    let db = embedded().await.main;
    ch01_clones::contract::session_store(|| Arc::new(SqliteSessions::new(db.clone()))).await;
}

#[tokio::test]
async fn sqlite_catalog_keeps_the_contract() {
    let catalog = SqliteCatalog::new(embedded().await.main);
    ch02_database::contract::check_catalog(&catalog, GAMES).await;
}

#[tokio::test]
async fn sqlite_social_keeps_the_contract() {
    let catalog = SqliteCatalog::new(embedded().await.main);
    ch02_database::contract::check_social(&catalog, &catalog, GAMES).await;
}

#[tokio::test]
async fn sqlite_news_keeps_the_contract() {
    let news = SqliteCatalog::new(embedded().await.main);
    ch02_database::contract::check_news(&news, GAMES).await;
}

#[tokio::test]
async fn sqlite_orders_keep_the_contract() {
    let orders = SqliteOrders::new(embedded().await.shards);
    ch02_database::contract::check_orders(&orders, GAMES).await;
    ch02_database::contract::check_payment_references(&orders).await;
}

#[tokio::test]
async fn sqlite_job_store_keeps_the_contract() {
    let jobs = SqliteJobStore::new(embedded().await.main);
    // The contract wants two handles to one store. In one process both are the same.
    ch04_async::contract::job_store(&jobs, &jobs).await;
}
