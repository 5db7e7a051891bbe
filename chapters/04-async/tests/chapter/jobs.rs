//! The queue's contract and the worker's order of steps, judged by how often each job is begun and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ch04_async::worker::{Handlers, MAX_ATTEMPTS};
use ch04_async::{
    Job, JobBoard, JobHandler, JobMessage, JobQueue, JobState, JobUpdate, MemoryBoard, MemoryQueue, Progress,
    QueueError, Worker,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Long enough for the slowest machine, and reached only by a test that fails.
const DEADLINE: Duration = Duration::from_secs(20);

fn message(job: &str) -> JobMessage {
    JobMessage {
        id: Uuid::now_v7(),
        job: job.to_owned(),
        customer: "ada".to_owned(),
    }
}

/// A queue and a board, and workers on them.
struct Workshop {
    queue: MemoryQueue,
    board: Arc<MemoryBoard>,
    handlers: Arc<Handlers>,
}

impl Workshop {
    fn new(name: &'static str, handler: Arc<dyn JobHandler>) -> Self {
        Workshop {
            queue: MemoryQueue::new(100),
            board: Arc::new(MemoryBoard::default()),
            handlers: Arc::new(Handlers::from([(name, handler)])),
        }
    }

    async fn submit(&self, job: &str) -> Uuid {
        let message = message(job);
        self.board.open(&message).await.unwrap();
        self.queue.publish(&message).await.unwrap();
        message.id
    }

    fn start_worker(&self) -> tokio::task::JoinHandle<()> {
        let worker = Worker {
            name: "worker".to_owned(),
            queue: Arc::new(self.queue.clone()),
            board: self.board.clone(),
            handlers: self.handlers.clone(),
        };
        tokio::spawn(worker.run(std::future::pending()))
    }

    async fn job(&self, id: Uuid) -> Job {
        self.board.get(id).await.unwrap().expect("the job has a record")
    }

    /// Waits until the job is in this state, woken by the board's own changes.
    async fn until(&self, id: Uuid, state: JobState) -> Job {
        let mut changes = self.board.changes();
        let reached = async {
            loop {
                let job = self.job(id).await;
                if job.state == state {
                    return job;
                }
                let _ = changes.recv().await;
            }
        };
        match tokio::time::timeout(DEADLINE, reached).await {
            Ok(job) => job,
            Err(elapsed) => panic!("{elapsed}: never became {state:?}: {:?}", self.job(id).await),
        }
    }
}

/// Counts how often it is called, and waits for a permit each time before it goes on.
struct Gated {
    begun: AtomicU32,
    gate: Semaphore,
}

impl Gated {
    fn new() -> Arc<Self> {
        Arc::new(Gated {
            begun: AtomicU32::new(0),
            gate: Semaphore::new(0),
        })
    }
}

#[async_trait]
impl JobHandler for Gated {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        progress.set(50).await;
        self.gate.acquire().await.unwrap().forget();
        Ok(json!({ "times": self.begun.load(Ordering::SeqCst) }))
    }
}

/// Fails as often as it is told to, then succeeds.
struct Failing {
    times: AtomicU32,
    panics: bool,
}

#[async_trait]
impl JobHandler for Failing {
    async fn run(&self, _: &JobMessage, _: &Progress) -> Result<Value, String> {
        let left = self
            .times
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Err(_) => Ok(json!("at last")),
            Ok(_) if self.panics => panic!("on purpose"),
            Ok(_) => Err("the disk is full".to_owned()),
        }
    }
}

fn failing(times: u32, panics: bool) -> Workshop {
    let times = AtomicU32::new(times);
    Workshop::new("job", Arc::new(Failing { times, panics }))
}

#[tokio::test]
async fn a_job_is_queued_then_running_then_done() {
    let handler = Gated::new();
    let workshop = Workshop::new("job", handler.clone());

    let id = workshop.submit("job").await;
    assert_eq!(workshop.job(id).await.state, JobState::Queued);

    workshop.start_worker();
    let running = workshop.until(id, JobState::Running).await;
    assert_eq!(running.attempts, 1);

    handler.gate.add_permits(1);
    let done = workshop.until(id, JobState::Done).await;
    assert_eq!(
        (done.progress, done.attempts, done.result),
        (100, 1, Some(json!({ "times": 1 })))
    );
}

#[tokio::test]
async fn a_job_whose_worker_is_killed_is_done_by_another() {
    let handler = Gated::new();
    let workshop = Workshop::new("job", handler.clone());
    let id = workshop.submit("job").await;
    let first = workshop.start_worker();
    workshop.until(id, JobState::Running).await;

    first.abort();
    let _ = first.await;
    assert_eq!(
        workshop.queue.len(),
        1,
        "the message did not come back: was it acknowledged before the work?"
    );
    handler.gate.add_permits(1);
    workshop.start_worker();

    let done = workshop.until(id, JobState::Done).await;
    assert_eq!(done.attempts, 2, "begun twice, done once");
}

#[tokio::test]
async fn a_failed_attempt_is_followed_by_another() {
    let workshop = failing(2, false);
    let id = workshop.submit("job").await;
    workshop.start_worker();
    let done = workshop.until(id, JobState::Done).await;
    assert_eq!((done.attempts, done.result), (3, Some(json!("at last"))));
}

#[tokio::test]
async fn after_the_last_attempt_the_job_is_dead_and_says_why() {
    let workshop = failing(u32::MAX, false);
    let id = workshop.submit("job").await;
    workshop.start_worker();
    let dead = workshop.until(id, JobState::Dead).await;
    assert_eq!(dead.attempts, MAX_ATTEMPTS);
    assert_eq!(dead.result, Some(json!({ "error": "the disk is full" })));
    assert!(workshop.queue.is_empty(), "a dead job must not come again");
}

#[tokio::test]
async fn a_handler_that_panics_does_not_take_its_worker_along() {
    let workshop = failing(1, true);
    let id = workshop.submit("job").await;
    workshop.start_worker();
    assert_eq!(workshop.until(id, JobState::Done).await.attempts, 2);
}

#[tokio::test]
async fn a_job_that_kills_its_worker_each_time_is_given_up() {
    let handler = Gated::new();
    let workshop = Workshop::new("job", handler.clone());
    let id = workshop.submit("job").await;
    for _ in 0..MAX_ATTEMPTS {
        let worker = workshop.start_worker();
        workshop.until(id, JobState::Running).await;
        worker.abort();
        let _ = worker.await;
        // As a restart does: the record is all that is left, and it says "running".
        workshop
            .board
            .update(id, JobUpdate::Failed("the worker is gone".to_owned()))
            .await
            .unwrap();
    }
    workshop.start_worker();
    workshop.until(id, JobState::Dead).await;
    assert_eq!(
        handler.begun.load(Ordering::SeqCst),
        MAX_ATTEMPTS,
        "begun once more after the last attempt"
    );
}

#[tokio::test]
async fn a_message_that_comes_twice_is_worked_on_once() {
    let handler = Gated::new();
    handler.gate.add_permits(2);
    let workshop = Workshop::new("job", handler.clone());
    let id = workshop.submit("job").await;
    let again = workshop.job(id).await.message();
    workshop.start_worker();
    workshop.until(id, JobState::Done).await;

    workshop.queue.publish(&again).await.unwrap();
    // The second job is behind the repeated message, so when it is done the message has been dealt with.
    let second = workshop.submit("job").await;
    workshop.until(second, JobState::Done).await;

    assert_eq!(
        handler.begun.load(Ordering::SeqCst),
        2,
        "the finished job was begun again"
    );
    assert_eq!(workshop.job(id).await.attempts, 1);
}

#[tokio::test]
async fn an_unknown_job_ends_as_dead() {
    let workshop = failing(0, false);
    let id = workshop.submit("no-such-job").await;
    workshop.start_worker();
    let dead = workshop.until(id, JobState::Dead).await;
    assert_eq!(
        dead.result,
        Some(json!({ "error": "no worker knows the job \"no-such-job\"" }))
    );
}

#[tokio::test]
async fn a_worker_told_to_stop_finishes_its_job_and_begins_no_other() {
    let handler = Gated::new();
    let workshop = Workshop::new("job", handler.clone());
    let (first, second) = (workshop.submit("job").await, workshop.submit("job").await);
    let stop = Arc::new(Semaphore::new(0));
    let worker = Worker {
        name: "worker".to_owned(),
        queue: Arc::new(workshop.queue.clone()),
        board: workshop.board.clone(),
        handlers: workshop.handlers.clone(),
    };
    let stopped = stop.clone();
    let running = tokio::spawn(worker.run(async move { drop(stopped.acquire().await) }));
    workshop.until(first, JobState::Running).await;

    stop.add_permits(1);
    handler.gate.add_permits(2);
    tokio::time::timeout(DEADLINE, running)
        .await
        .expect("the worker stops")
        .unwrap();

    assert_eq!(workshop.job(first).await.state, JobState::Done);
    assert_eq!(workshop.job(second).await.state, JobState::Queued);
}

#[tokio::test]
async fn a_full_queue_refuses_instead_of_growing() {
    let queue = MemoryQueue::new(2);
    for _ in 0..2 {
        queue.publish(&message("job")).await.unwrap();
    }
    assert!(matches!(queue.publish(&message("job")).await, Err(QueueError::Full(2))));
    assert_eq!(queue.len(), 2);
}

#[tokio::test]
async fn a_message_wakes_each_of_several_waiting_workers_once() {
    let queue = MemoryQueue::new(100);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let delivery = queue.receive().await.unwrap();
                let id = delivery.message.id;
                delivery.ack().await.unwrap();
                id
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        let message = message("job");
        queue.publish(&message).await.unwrap();
        sent.push(message.id);
    }
    let mut received = Vec::new();
    for worker in waiting {
        received.push(
            tokio::time::timeout(DEADLINE, worker)
                .await
                .expect("nobody was woken")
                .unwrap(),
        );
    }
    received.sort();
    assert_eq!(received, sent);
    assert!(queue.is_empty());
}
