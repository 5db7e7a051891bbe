//! Helpers that several test files use.

use std::time::Duration;

use ch02_database::postgres;
use ch04_async::{Delivery, JobMessage, JobQueue, PgJobStore};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Enough for the slowest machine. Only a failing test reaches it.
pub const DEADLINE: Duration = Duration::from_mins(1);

pub fn message(job: &str) -> JobMessage {
    JobMessage {
        id: Uuid::now_v7(),
        job: job.to_owned(),
        customer: "ada".to_owned(),
    }
}

/// Polls until the condition holds, for conditions that nothing reports.
pub async fn poll_until(expectation: &str, mut condition: impl AsyncFnMut() -> bool) {
    let polling = async {
        while !condition().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within_deadline(expectation, polling).await;
}

/// Waits for `future` until the deadline.
pub async fn within_deadline<T>(expectation: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(DEADLINE, future).await else {
        panic!("not within {} seconds: {expectation}", DEADLINE.as_secs());
    };
    value
}

/// Receives the next message. Retries after errors.
pub async fn receive_with_retry(queue: &dyn JobQueue) -> Delivery<JobMessage> {
    let receiving = async {
        loop {
            match queue.receive().await {
                Ok(delivery) => return delivery,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    within_deadline("a message is received", receiving).await
}

pub async fn job_store(url: &str) -> PgJobStore {
    PgJobStore::open(postgres::connect(url).unwrap())
        .await
        .unwrap()
}
