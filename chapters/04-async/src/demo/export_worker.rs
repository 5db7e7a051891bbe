//! The processes of the demonstration: they export a customer's orders, half a second for each
//! export.
//!
//! There are two kinds of process. They differ in one line: which queue they use.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use ch02_database::postgres;
use ch04_async::jobs::Handlers;
use ch04_async::{
    JobHandler, JobMessage, JobQueue, JobStore, MemoryQueue, PgJobStore, Progress, RabbitQueue,
    Worker,
};
use common::shutdown;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{self, ExportArguments};

/// The job's name.
pub const ORDER_EXPORT: &str = "order-export";

/// How many steps an export has. The worker records the progress after each.
pub const STEPS: u32 = 5;

/// Pretends to export a customer's orders.
pub struct OrderExport {
    /// How long each of the [`STEPS`] takes.
    pub step: Duration,
}

#[async_trait]
impl JobHandler for OrderExport {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        for step in 1..=STEPS {
            tokio::time::sleep(self.step).await;
            progress.set((100 * step / STEPS) as u8).await;
        }
        Ok(json!("orders.csv"))
    }
}

/// Creates the record of one export, then publishes its message. Returns once the queue has
/// confirmed the message.
pub async fn submit(
    job_store: &dyn JobStore,
    queue: &dyn JobQueue,
    customer: &str,
) -> anyhow::Result<Uuid> {
    let message = JobMessage {
        id: Uuid::now_v7(),
        job: ORDER_EXPORT.to_owned(),
        customer: customer.to_owned(),
    };
    job_store.create(&message).await?;
    queue.publish(&message).await?;
    Ok(message.id)
}

/// A worker whose queue is in the broker.
pub async fn run_worker(arguments: cli::WorkerArguments) -> anyhow::Result<()> {
    let job_store = open_job_store(&arguments.export).await?;
    let queue = RabbitQueue::new(&arguments.amqp)?;
    println!(
        "{} waits for jobs (Ctrl-C stops it after the current job)",
        arguments.name
    );
    run_exports(
        &arguments.name,
        Arc::new(queue),
        job_store,
        &arguments.export,
    )
    .await;
    Ok(())
}

/// The naive store, whose queue is in its own memory.
pub async fn run_memory_store(arguments: cli::MemoryStoreArguments) -> anyhow::Result<()> {
    let job_store = open_job_store(&arguments.export).await?;
    let queue = MemoryQueue::new(arguments.jobs);
    let start = Instant::now();
    for _ in 0..arguments.jobs {
        submit(&*job_store, &queue, "ada").await?;
    }
    let elapsed = start.elapsed().as_millis();
    println!("{elapsed} ms to accept {} jobs", arguments.jobs);
    run_exports(
        "memory-store",
        Arc::new(queue),
        job_store,
        &arguments.export,
    )
    .await;
    Ok(())
}

async fn open_job_store(arguments: &ExportArguments) -> anyhow::Result<Arc<PgJobStore>> {
    let job_store = PgJobStore::open(postgres::connect(&arguments.database)?).await;
    Ok(Arc::new(job_store.context(
        "cannot open the job store; is the address in --database right?",
    )?))
}

async fn run_exports(
    name: &str,
    queue: Arc<dyn JobQueue>,
    job_store: Arc<dyn JobStore>,
    arguments: &ExportArguments,
) {
    let step = Duration::from_millis(arguments.step_ms);
    let export: Arc<dyn JobHandler> = Arc::new(OrderExport { step });
    let worker = Worker {
        name: name.to_owned(),
        queue,
        job_store,
        handlers: Arc::new(Handlers::from([(ORDER_EXPORT, export)])),
    };
    let shutdown = shutdown::requested(arguments.exit_on_stdin_close);
    if arguments.exit_on_stdin_close {
        // The parent process is gone, so the worker does not finish its job.
        worker.run(pending(), shutdown).await;
    } else {
        worker.run(shutdown, pending()).await;
    }
}
