//! What several of the chapter's tests need.

use std::time::Duration;

use ch02_database::postgres;
use ch04_async::{Delivery, JobMessage, JobQueue, PgBoard};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Long enough for the slowest machine, and reached only by a test that fails.
pub const DEADLINE: Duration = Duration::from_mins(1);

pub fn message(job: &str) -> JobMessage {
    JobMessage {
        id: Uuid::now_v7(),
        job: job.to_owned(),
        customer: "ada".to_owned(),
    }
}

/// Waits for something that nobody tells of: looks until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within_the_deadline(what, looking).await;
}

/// Waits for something that comes by itself.
pub async fn within_the_deadline<T>(what: &str, comes: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(DEADLINE, comes).await else {
        panic!("not within {} seconds: {what}", DEADLINE.as_secs());
    };
    value
}

/// The next message, whatever has to be reported on the way to it.
pub async fn receive_at_last(queue: &dyn JobQueue) -> Delivery {
    let receiving = async {
        loop {
            match queue.receive().await {
                Ok(delivery) => return delivery,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    within_the_deadline("a message is received", receiving).await
}

pub async fn board(url: &str) -> PgBoard {
    PgBoard::open(postgres::connect(url).unwrap())
        .await
        .unwrap()
}
