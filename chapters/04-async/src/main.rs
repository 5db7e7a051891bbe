//! `cargo run -p ch04-async`: the customer does not wait. Three jobs go on a queue, a worker is killed in the middle of one, and
//! all three are done.
//!
//! At this stage queue and board are in this process; RabbitMQ takes the queue's place later, and the worker stays as it is.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ch04_async::worker::Handlers;
use ch04_async::{JobBoard, JobHandler, JobMessage, JobQueue, JobState, MemoryBoard, MemoryQueue, Progress, Worker};
use serde_json::{Value, json};
use uuid::Uuid;

/// A cake takes half a second.
struct BakeCake;

#[async_trait]
impl JobHandler for BakeCake {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        for percent in [20, 40, 60, 80, 100] {
            tokio::time::sleep(Duration::from_millis(100)).await;
            progress.set(percent).await;
        }
        Ok(json!("a cake"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (queue, board) = (Arc::new(MemoryQueue::new(10)), Arc::new(MemoryBoard::default()));
    let worker = |name: &str| Worker {
        name: name.to_owned(),
        queue: queue.clone(),
        board: board.clone(),
        handlers: Arc::new(Handlers::from([(
            "bake-cake",
            Arc::new(BakeCake) as Arc<dyn JobHandler>,
        )])),
    };
    let begin = Instant::now();
    let say = |text: String| println!("{:>5} ms  {text}", begin.elapsed().as_millis());

    let mut orders = Vec::new();
    for _ in 0..3 {
        let message = JobMessage {
            id: Uuid::now_v7(),
            job: "bake-cake".to_owned(),
            customer: "ada".to_owned(),
        };
        board.open(&message).await?;
        queue.publish(&message).await?;
        orders.push(message.id);
    }
    say("three cakes are ordered; the customer goes on shopping".to_owned());

    let mut changes = board.changes();
    let first = tokio::spawn(worker("worker-1").run(pending(), pending()));
    let mut killed = false;
    while !all_done(&*board, &orders).await? {
        let id = changes.recv().await?;
        let Some(job) = board.get(id).await? else { continue };
        let number = orders.iter().position(|order| *order == id).unwrap_or_default() + 1;
        say(format!(
            "cake {number}: {:<7} {:>3} %, attempt {}",
            job.state.as_str(),
            job.progress,
            job.attempts
        ));
        if !killed && job.progress == 60 {
            killed = true;
            first.abort();
            tokio::spawn(worker("worker-2").run(pending(), pending()));
            say("worker-1 is killed; its message was not acknowledged, so worker-2 gets it".to_owned());
        }
    }
    say("all done: one cake was begun twice, none was lost".to_owned());
    Ok(())
}

async fn all_done(board: &dyn JobBoard, orders: &[Uuid]) -> anyhow::Result<bool> {
    for id in orders {
        if board.get(*id).await?.is_none_or(|job| job.state != JobState::Done) {
            return Ok(false);
        }
    }
    Ok(true)
}
