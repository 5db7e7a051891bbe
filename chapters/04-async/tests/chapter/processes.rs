//! Workers as processes, and what `kill -9` does to them.

use std::path::Path;

use ch04_async::rabbit::RabbitQueue;
use ch04_async::{Job, JobBoard, JobQueue, JobState, PgBoard};
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use crate::support::{board, message, within_the_deadline};

#[path = "../../src/demo/process.rs"]
mod process;
use process::Baker;

const PROGRAM: &str = env!("CARGO_BIN_EXE_ch04-async");

/// A cake that is in the oven for longer than any test runs.
const FOR_EVER: &str = "86400000";
const AT_ONCE: &str = "1";

async fn start(arguments: &[&str]) -> Baker {
    Baker::start(Path::new(PROGRAM), arguments).await.unwrap()
}

/// Waits until the job is as it should be, woken by what the board tells and by nothing else.
async fn until(
    board: &PgBoard,
    changes: &mut Receiver<Uuid>,
    what: &str,
    is_so: impl Fn(&Job) -> bool,
    id: Uuid,
) -> Job {
    let reached = async {
        loop {
            let job = board.get(id).await.unwrap().expect("the job has a record");
            if is_so(&job) {
                return job;
            }
            changes.recv().await.unwrap();
        }
    };
    within_the_deadline(what, reached).await
}

#[tokio::test]
async fn a_job_of_a_killed_worker_is_done_by_another() {
    let (database, broker) = tokio::try_join!(testbed::postgres(), testbed::rabbitmq()).unwrap();
    let (database, broker) = (&database.url(), &broker.url());
    let board = board(database).await;
    let mut changes = board.changes();
    let worker = [
        "worker",
        "--amqp",
        broker,
        "--database",
        database,
        "--fifth",
    ];
    let job = message("bake-cake");
    board.open(&job).await.unwrap();
    RabbitQueue::new(broker)
        .unwrap()
        .publish(&job)
        .await
        .unwrap();

    let mut first = start(&[&worker[..], &[FOR_EVER]].concat()).await;
    let begun = |job: &Job| job.state == JobState::Running;
    until(&board, &mut changes, "a worker begins", begun, job.id).await;
    first.kill().await.unwrap();
    let _second = start(&[&worker[..], &[AT_ONCE]].concat()).await;

    let done = |job: &Job| job.state == JobState::Done;
    let done = until(&board, &mut changes, "another worker does it", done, job.id).await;
    assert_eq!(done.attempts, 2, "begun twice, done once");
}

#[tokio::test]
async fn a_queue_in_memory_dies_with_its_process() {
    let database = testbed::postgres().await.unwrap();
    let database = &database.url();
    let board = board(database).await;
    let mut changes = board.changes();
    let store = ["alone", "--database", database, "--cakes", "1", "--fifth"];

    let mut first = start(&[&store[..], &[FOR_EVER]].concat()).await;
    assert!(
        first.said.ends_with("for the orders of 1 cakes\n"),
        "{}",
        first.said
    );
    let lost = board.unfinished().await.unwrap()[0].id;
    let begun = |job: &Job| job.state == JobState::Running;
    until(&board, &mut changes, "the store begins", begun, lost).await;
    first.kill().await.unwrap();
    let _second = start(&[&store[..], &[AT_ONCE]].concat()).await;
    // The new order is behind all that the store might still know of.
    let new = board
        .unfinished()
        .await
        .unwrap()
        .into_iter()
        .find(|job| job.id != lost);
    if let Some(new) = new {
        let done = |job: &Job| job.state == JobState::Done;
        until(&board, &mut changes, "the new order is done", done, new.id).await;
    }

    let job = board.get(lost).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.attempts),
        (JobState::Running, 1),
        "if this is done, the naive version is not as naive as the chapter says"
    );
}
