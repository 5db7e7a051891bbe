//! Each implementation passes the contract of its interface. `ch05-full` tests SQLite in the same
//! way.

use ch04_async::{
    MemoryEventBus, MemoryJobStore, MemoryQueue, RabbitEventBus, RabbitQueue, contract,
};

use crate::support::job_store;

#[tokio::test]
async fn memory_queue_passes_the_contract() {
    let queue = MemoryQueue::new(100);
    contract::job_queue(&queue, &queue.clone()).await;
}

#[tokio::test]
async fn rabbitmq_queue_passes_the_contract() {
    let broker = testbed::rabbitmq().await.unwrap();
    let [one, other] = [(); 2].map(|()| RabbitQueue::new(&broker.url()).unwrap());
    contract::job_queue(&one, &other).await;
}

#[tokio::test]
async fn memory_job_store_passes_the_contract() {
    let job_store = MemoryJobStore::default();
    contract::job_store(&job_store, &job_store).await;
}

#[tokio::test]
async fn postgres_job_store_passes_the_contract() {
    let database = testbed::postgres().await.unwrap();
    let one = job_store(&database.url()).await;
    let other = job_store(&database.url()).await;
    contract::job_store(&one, &other).await;
}

#[tokio::test]
async fn memory_event_bus_passes_the_contract() {
    let events = MemoryEventBus::default();
    contract::event_bus(&events, &events.clone()).await;
}

#[tokio::test]
async fn rabbitmq_event_bus_passes_the_contract() {
    let broker = testbed::rabbitmq().await.unwrap();
    let [one, other] = [(); 2].map(|()| RabbitEventBus::new(&broker.url()).unwrap());
    contract::event_bus(&one, &other).await;
}
