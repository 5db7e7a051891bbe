//! Workers as separate processes, killed by `kill -9`.

use ch04_async::{Job, JobQueue, JobState, JobStore, PgJobStore, RabbitQueue};
use common::child::{Child, EXIT_ON_STDIN_CLOSE};
use tokio::process::Command;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use crate::support::{job_store, message, within_deadline};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch04-async");

/// The duration of a step, longer than any test runs.
const NEVER_ENDS: &str = "86400000";
const ENDS_AT_ONCE: &str = "1";

async fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg(EXIT_ON_STDIN_CLOSE);
    Child::start(arguments[0], &mut command).await.unwrap()
}

/// Waits until the job has this state. Only a change that the job store reports wakes this
/// function.
async fn wait_for_state(
    job_store: &PgJobStore,
    changes: &mut Receiver<Uuid>,
    id: Uuid,
    state: JobState,
) -> Job {
    let reached = async {
        loop {
            let job = job_store.get(id).await.unwrap();
            let job = job.expect("the job should have a record");
            if job.state == state {
                return job;
            }
            changes.recv().await.unwrap();
        }
    };
    within_deadline(&format!("the job becomes {state:?}"), reached).await
}

#[tokio::test]
async fn another_worker_finishes_a_killed_workers_job() {
    let (database, broker) = tokio::try_join!(testbed::postgres(), testbed::rabbitmq()).unwrap();
    let (database, broker) = (&database.url(), &broker.url());
    let job_store = job_store(database).await;
    let mut changes = job_store.changes();
    let worker = [
        "worker",
        "--amqp",
        broker,
        "--database",
        database,
        "--step-ms",
    ];
    let job = message("order-export");
    job_store.create(&job).await.unwrap();
    let queue = RabbitQueue::new(broker).unwrap();
    queue.publish(&job).await.unwrap();

    let mut first = start(&[&worker[..], &[NEVER_ENDS]].concat()).await;
    wait_for_state(&job_store, &mut changes, job.id, JobState::Running).await;
    first.kill().await.unwrap();
    let _second = start(&[&worker[..], &[ENDS_AT_ONCE]].concat()).await;

    let done = wait_for_state(&job_store, &mut changes, job.id, JobState::Done).await;
    assert_eq!(
        done.attempts, 2,
        "the job should start twice and finish once"
    );
}

#[tokio::test]
async fn queue_in_memory_dies_with_its_process() {
    let database = testbed::postgres().await.unwrap();
    let database = &database.url();
    let job_store = job_store(database).await;
    let mut changes = job_store.changes();
    let store = [
        "memory-store",
        "--database",
        database,
        "--jobs",
        "1",
        "--step-ms",
    ];

    let mut first = start(&[&store[..], &[NEVER_ENDS]].concat()).await;
    let line = first.first_line();
    assert!(line.ends_with(" ms to accept 1 jobs"), "{line}");
    let lost = job_store.unfinished().await.unwrap()[0].id;
    wait_for_state(&job_store, &mut changes, lost, JobState::Running).await;
    first.kill().await.unwrap();
    let _second = start(&[&store[..], &[ENDS_AT_ONCE]].concat()).await;
    // The second process runs its jobs in order. If it knew the first job, that one would be done
    // too.
    let unfinished = job_store.unfinished().await.unwrap();
    if let Some(new) = unfinished.into_iter().find(|job| job.id != lost) {
        wait_for_state(&job_store, &mut changes, new.id, JobState::Done).await;
    }

    let job = job_store.get(lost).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.attempts),
        (JobState::Running, 1),
        "the job survived the process: is the naive queue still in memory?"
    );
}
