//! The guided demonstration: how long a customer waits, and what is lost when a process dies.
//!
//! The workers are separate processes, killed by `kill -9`. RabbitMQ and PostgreSQL run in
//! containers.

mod export_worker;
mod job_watcher;
mod notifications;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ch02_database::postgres;
use ch04_async::{JobState, PgJobStore, RabbitQueue};
use common::child::{Child, EXIT_ON_STDIN_CLOSE};
use testbed::Service;
use tokio::process::Command;

pub use export_worker::{run_memory_store, run_worker};

use export_worker::{STEPS, submit};
use job_watcher::{JobCounts, JobWatcher};

/// How many exports the customer asks for in each part.
const JOBS: usize = 5;

/// How long each step of an export takes. The default of `--step-ms`.
const STEP: Duration = Duration::from_millis(100);

/// How long to wait for the restarted naive store, which has forgotten its jobs.
const WAIT_FOR_LOST_JOBS: Duration = Duration::from_secs(2);

/// The result of one part.
struct PartResult {
    waited: Duration,
    counts: JobCounts,
}

/// Runs all parts. Ctrl-C ends the demonstration and its workers.
pub async fn run() -> anyhow::Result<()> {
    tokio::select! {
        result = run_parts() => result,
        _ = tokio::signal::ctrl_c() => bail!("Ctrl-C stopped the demonstration and its workers"),
    }
}

async fn run_parts() -> anyhow::Result<()> {
    println!("A store exports orders. An export takes half a second. Ada asks for {JOBS} exports.");
    println!("Starting or finding the workshop's PostgreSQL and RabbitMQ in containers ...\n");
    let (database, broker) = tokio::try_join!(testbed::postgres(), testbed::rabbitmq())?;
    let (database, broker) = (&database.url(), &broker.url());
    let job_store = PgJobStore::open(postgres::connect(database)?).await?;
    let program = std::env::current_exe()?;

    println!("1. The store runs the exports, then responds.");
    let start = Instant::now();
    // The customer and this connection do nothing else in the meantime.
    tokio::time::sleep(STEP * STEPS * JOBS as u32).await;
    let synchronous = start.elapsed();
    println!(
        "   Ada waited {} ms for her {JOBS} exports.\n",
        synchronous.as_millis()
    );

    println!(
        "2. The store puts the jobs into a list in its memory, responds, and runs them later."
    );
    let memory = queue_in_memory(&job_store, &program, database).await?;

    println!("3. The store publishes the jobs to a queue in RabbitMQ. Worker processes run them.");
    let queued = queue_in_broker(&job_store, &program, database, broker).await?;

    println!("4. Ada registers for the launch: one event, two channels.");
    notifications::run(broker).await?;

    println!(
        "   {:<34} {:>10} {:>10} {:>10}",
        "", "waits", "done", "lost"
    );
    print_row("1. the store exports, then responds", synchronous, JOBS);
    print_row(
        "2. a list in memory, kill -9",
        memory.waited,
        memory.counts.done,
    );
    print_row(
        "3. a broker, kill -9 of a worker",
        queued.waited,
        queued.counts.done,
    );
    println!(
        "\n   In part 3, {} of {JOBS} jobs started twice. No job is lost, because a job may start twice.",
        queued.counts.started_twice
    );
    print_next_steps().await
}

/// Part 2: the store accepts the jobs, is killed, and starts again.
async fn queue_in_memory(
    job_store: &PgJobStore,
    program: &Path,
    database: &str,
) -> anyhow::Result<PartResult> {
    let arguments = ["memory-store", "--database", database];
    let jobs = JOBS.to_string();
    let mut store = start(program, &[&arguments[..], &["--jobs", &jobs]].concat()).await?;
    let elapsed = store.first_line().split(' ').next().unwrap_or_default();
    let elapsed = elapsed.parse().with_context(|| {
        let line = store.first_line();
        format!("the store should print how long it took, but printed `{line}`")
    })?;
    let waited = Duration::from_millis(elapsed);
    println!("   The store accepted all {JOBS} jobs after {elapsed} ms. Ada continues to shop.");
    let mut watcher = JobWatcher::unfinished(job_store).await?;
    wait_for_second_job(&mut watcher).await?;
    store.kill().await?;
    println!("   kill -9 of the store during the second export. The store starts again.");
    let _restarted = start(program, &arguments).await?;
    tokio::time::sleep(WAIT_FOR_LOST_JOBS).await;
    let counts = watcher.counts().await?;
    println!(
        "   {} s later: {} of {JOBS} jobs done. The records of the others say `running` ({}) and\n   \
         `queued` ({}) for ever.\n",
        WAIT_FOR_LOST_JOBS.as_secs(),
        counts.done,
        counts.running,
        counts.queued
    );
    Ok(PartResult { waited, counts })
}

/// Part 3: the broker confirms the jobs, one worker is killed, and two others continue.
async fn queue_in_broker(
    job_store: &PgJobStore,
    program: &Path,
    database: &str,
    broker: &str,
) -> anyhow::Result<PartResult> {
    let queue = RabbitQueue::new(broker)?;
    // The first call connects and declares the queues. A store does this before its first customer.
    queue.waiting().await?;
    let worker = async |name: &str| {
        let arguments = ["--name", name, "--amqp", broker, "--database", database];
        start(program, &[&["worker"], &arguments[..]].concat()).await
    };
    let submitting = Instant::now();
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(submit(job_store, &queue, "ada").await?);
    }
    let waited = submitting.elapsed();
    println!(
        "   The broker confirmed all {JOBS} jobs after {} ms. Ada continues to shop.",
        waited.as_millis()
    );
    let mut watcher = JobWatcher::new(job_store, jobs);
    let mut first = worker("worker-1").await?;
    wait_for_second_job(&mut watcher).await?;
    first.kill().await?;
    println!("   kill -9 of worker-1 during the second export. Two other workers start.");
    let _others = [worker("worker-2").await?, worker("worker-3").await?];
    watcher
        .wait_for(|job| job.state == JobState::Done, JOBS)
        .await?;
    let counts = watcher.counts().await?;
    println!(
        "   {} of {JOBS} jobs done, {} started twice.\n",
        counts.done, counts.started_twice
    );
    Ok(PartResult { waited, counts })
}

/// Starts this program again as a child process, and waits for its first line.
async fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).arg(EXIT_ON_STDIN_CLOSE);
    Ok(Child::start(arguments[0], &mut command).await?)
}

async fn wait_for_second_job(watcher: &mut JobWatcher<'_>) -> anyhow::Result<()> {
    let is_half_done = |job: &ch04_async::Job| job.state == JobState::Running && job.progress >= 40;
    watcher
        .wait_for(|job| job.state == JobState::Done, 1)
        .await?;
    watcher.wait_for(is_half_done, 1).await
}

fn print_row(part: &str, waited: Duration, done: usize) {
    let (waited, lost) = (waited.as_millis(), JOBS - done);
    println!("   {part:<34} {waited:>7} ms {done:>10} {lost:>10}");
}

async fn print_next_steps() -> anyhow::Result<()> {
    // The shared servers. The database and the virtual host of this run are deleted at its end.
    let broker = testbed::shared(Service::RabbitMq).await?;
    let database = testbed::shared(Service::Postgres).await?;
    println!("\nTry it yourself: a queue as in RabbitMQ's first tutorial, in two terminals.");
    println!("   cargo run -p ch04-async --example receive");
    println!("   cargo run -p ch04-async --example send -- \"hello\"");
    println!(
        "Send a message while no receiver runs. Stop the receiver during a message. Start two."
    );
    println!("A worker like the one that was killed above:");
    println!(
        "   cargo run -p ch04-async -- worker --amqp {} --database {}",
        broker.url(),
        database.url()
    );
    Ok(())
}
