//! Each seam's contract, kept by the version in memory and by the one on a real server. `ch05-full` judges SQLite by the same.

use ch02_database::postgres;
use ch04_async::rabbit::{RabbitEvents, RabbitQueue};
use ch04_async::{MemoryBoard, MemoryEvents, MemoryQueue, PgBoard, contract};

#[tokio::test]
async fn the_queue_in_memory_keeps_the_contract() {
    let queue = MemoryQueue::new(100);
    contract::queue(&queue, &queue.clone()).await;
}

#[tokio::test]
async fn the_queue_in_rabbitmq_keeps_the_contract() {
    let broker = testbed::rabbitmq().await.unwrap();
    let [one, other] = [(); 2].map(|()| RabbitQueue::new(&broker.url()).unwrap());
    contract::queue(&one, &other).await;
}

#[tokio::test]
async fn the_board_in_memory_keeps_the_contract() {
    let board = MemoryBoard::default();
    contract::board(&board, &board).await;
}

#[tokio::test]
async fn the_board_in_postgresql_keeps_the_contract() {
    let database = testbed::postgres().await.unwrap();
    let one = PgBoard::open(postgres::connect(&database.url()).unwrap())
        .await
        .unwrap();
    let other = PgBoard::open(postgres::connect(&database.url()).unwrap())
        .await
        .unwrap();
    contract::board(&one, &other).await;
}

#[tokio::test]
async fn the_events_in_memory_keep_the_contract() {
    let events = MemoryEvents::default();
    contract::events(&events, &events.clone()).await;
}

#[tokio::test]
async fn the_events_in_rabbitmq_keep_the_contract() {
    let broker = testbed::rabbitmq().await.unwrap();
    let [one, other] = [(); 2].map(|()| RabbitEvents::new(&broker.url()).unwrap());
    contract::events(&one, &other).await;
}
