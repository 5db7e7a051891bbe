//! The chapters' contracts, kept by the embedded implementations. The chapters' own tests run them on the real servers.

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
async fn sessions_in_sqlite_keep_the_contract() {
    let db = embedded().await.main;
    ch01_clones::contract::session_store(|| Arc::new(SqliteSessions::new(db.clone()))).await;
}

#[tokio::test]
async fn a_catalogue_in_sqlite_keeps_the_contract() {
    let catalog = SqliteCatalog::new(embedded().await.main);
    ch02_database::contract::check_catalog(&catalog, GAMES).await;
}

#[tokio::test]
async fn orders_in_sqlite_keep_the_contract() {
    let orders = SqliteOrders::new(embedded().await.shards);
    ch02_database::contract::check_orders(&orders, GAMES).await;
}

#[tokio::test]
async fn job_records_in_sqlite_keep_the_contract() {
    let board = SqliteJobStore::new(embedded().await.main);
    // One process, one board: a second handle would be another name for the same.
    ch04_async::contract::board(&board, &board).await;
}
