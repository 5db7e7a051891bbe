//! What the processes of the demonstration do: they bake cakes, half a second each.
//!
//! Two kinds of process, which differ in one line: where the queue is.

use std::future::pending;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use ch02_database::postgres;
use ch04_async::rabbit::RabbitQueue;
use ch04_async::worker::Handlers;
use ch04_async::{
    JobBoard, JobHandler, JobMessage, JobQueue, MemoryQueue, PgBoard, Progress, Worker,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{self, Oven};

/// The job's name.
pub const BAKE_CAKE: &str = "bake-cake";

/// Bakes one cake in five steps.
pub struct BakeCake {
    /// How long a step takes.
    pub fifth: Duration,
}

#[async_trait]
impl JobHandler for BakeCake {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        for percent in [20, 40, 60, 80, 100] {
            tokio::time::sleep(self.fifth).await;
            progress.set(percent).await;
        }
        Ok(json!("a cake"))
    }
}

/// An order for one cake: a record on the board, then a message on the queue. Returns once the queue has confirmed it.
pub async fn order(
    board: &dyn JobBoard,
    queue: &dyn JobQueue,
    customer: &str,
) -> anyhow::Result<Uuid> {
    let message = JobMessage {
        id: Uuid::now_v7(),
        job: BAKE_CAKE.to_owned(),
        customer: customer.to_owned(),
    };
    board.open(&message).await?;
    queue.publish(&message).await?;
    Ok(message.id)
}

/// A worker: its queue is in the broker.
pub async fn work(arguments: cli::Worker) -> anyhow::Result<()> {
    let board = open(&arguments.oven).await?;
    let queue = RabbitQueue::new(&arguments.amqp)?;
    println!(
        "{} waits for jobs (Ctrl-C ends it, after the cake in the oven)",
        arguments.name
    );
    bake(&arguments.name, Arc::new(queue), board, &arguments.oven).await;
    Ok(())
}

/// The naive store: its queue is in its memory.
pub async fn alone(arguments: cli::Alone) -> anyhow::Result<()> {
    let board = open(&arguments.oven).await?;
    let queue = MemoryQueue::new(arguments.cakes);
    let begin = Instant::now();
    for _ in 0..arguments.cakes {
        order(&*board, &queue, "ada").await?;
    }
    let taken = begin.elapsed().as_millis();
    println!("{taken} ms for the orders of {} cakes", arguments.cakes);
    bake("alone", Arc::new(queue), board, &arguments.oven).await;
    Ok(())
}

async fn open(oven: &Oven) -> anyhow::Result<Arc<PgBoard>> {
    if oven.attended {
        end_with_stdin();
    }
    let board = PgBoard::open(postgres::connect(&oven.database)?).await;
    Ok(Arc::new(
        board.context("the jobs' records cannot be opened")?,
    ))
}

async fn bake(name: &str, queue: Arc<dyn JobQueue>, board: Arc<dyn JobBoard>, oven: &Oven) {
    let fifth = Duration::from_millis(oven.fifth);
    let cake: Arc<dyn JobHandler> = Arc::new(BakeCake { fifth });
    let worker = Worker {
        name: name.to_owned(),
        queue,
        board,
        handlers: Arc::new(Handlers::from([(BAKE_CAKE, cake)])),
    };
    let stop = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // There are no signals here, and so none that says stop.
            pending::<()>().await;
        }
    };
    worker.run(stop, pending()).await;
}

/// A thread of its own, since reading standard input cannot be cancelled.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
