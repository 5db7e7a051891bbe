//! The worker's order of steps, judged by how often each job is begun and how it ends.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use ch04_async::worker::{Handlers, MAX_ATTEMPTS};
use ch04_async::{
    Job, JobBoard, JobHandler, JobMessage, JobQueue, JobState, MemoryBoard, MemoryQueue, Progress,
    Worker,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::support::{DEADLINE, message};

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

    fn worker(&self) -> Worker {
        Worker {
            name: "worker".to_owned(),
            queue: Arc::new(self.queue.clone()),
            board: self.board.clone(),
            handlers: self.handlers.clone(),
        }
    }

    fn start_worker(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.worker().run(pending(), pending()))
    }

    async fn job(&self, id: Uuid) -> Job {
        self.board
            .get(id)
            .await
            .unwrap()
            .expect("the job has a record")
    }

    /// Waits until the job is in this state.
    async fn until(&self, id: Uuid, state: JobState) -> Job {
        self.until_it(&format!("became {state:?}"), id, |job| job.state == state)
            .await
    }

    /// Waits until the handler has begun this attempt and reported its progress.
    async fn until_at_work(&self, id: Uuid, attempt: u32) -> Job {
        let at_work = |job: &Job| job.attempts == attempt && job.progress == HALF_WAY;
        self.until_it(&format!("began attempt {attempt}"), id, at_work)
            .await
    }

    /// Waits until the job is as it should be, woken by the board's own changes.
    async fn until_it(&self, should: &str, id: Uuid, is_so: impl Fn(&Job) -> bool) -> Job {
        let mut changes = self.board.changes();
        let reached = async {
            loop {
                let job = self.job(id).await;
                if is_so(&job) {
                    return job;
                }
                let _ = changes.recv().await;
            }
        };
        match tokio::time::timeout(DEADLINE, reached).await {
            Ok(job) => job,
            Err(elapsed) => panic!("{elapsed}: it never {should}: {:?}", self.job(id).await),
        }
    }
}

const HALF_WAY: u8 = 50;

/// Counts how often it is called, reports half of its progress, and waits for a permit each time before it goes on.
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
        progress.set(HALF_WAY).await;
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
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
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
    for attempt in 1..=MAX_ATTEMPTS {
        let worker = workshop.start_worker();
        workshop.until_at_work(id, attempt).await;
        worker.abort();
        let _ = worker.await;
    }
    workshop.start_worker();
    let dead = workshop.until(id, JobState::Dead).await;
    assert_eq!(
        dead.attempts, MAX_ATTEMPTS,
        "the look that gave it up was counted as an attempt"
    );
    let reason = "begun 3 times, and the last time the worker was gone before the end";
    assert_eq!(dead.result, Some(json!({ "error": reason })));
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
    // Many rounds, since a worker that chose between the signal and the next job at random would choose rightly half the time.
    for _ in 0..20 {
        let handler = Gated::new();
        let workshop = Workshop::new("job", handler.clone());
        let (first, second) = (workshop.submit("job").await, workshop.submit("job").await);
        let stop = Arc::new(Semaphore::new(0));
        let stopped = stop.clone();
        let running = tokio::spawn(
            workshop
                .worker()
                .run(async move { drop(stopped.acquire().await) }, pending()),
        );
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
}

#[tokio::test]
async fn however_often_the_store_restarts_a_job_that_is_cut_off_keeps_its_attempts() {
    let handler = Gated::new();
    let workshop = Workshop::new("job", handler.clone());
    let (id, next) = (workshop.submit("job").await, workshop.submit("job").await);

    for _ in 0..=MAX_ATTEMPTS {
        let cut_off = Arc::new(Semaphore::new(0));
        let signal = cut_off.clone();
        let running = tokio::spawn(
            workshop
                .worker()
                .run(pending(), async move { drop(signal.acquire().await) }),
        );
        workshop.until_at_work(id, 1).await;
        cut_off.add_permits(1);
        tokio::time::timeout(DEADLINE, running)
            .await
            .expect("a worker that is cut off must not wait for its job")
            .unwrap();

        let job = workshop.job(id).await;
        assert_eq!(
            (job.state, job.attempts, job.progress, job.result),
            (JobState::Queued, 0, 0, None),
            "being stopped on purpose is not the job's failure"
        );
        assert_eq!(
            workshop.job(next).await.state,
            JobState::Queued,
            "begun after the signal"
        );
        assert_eq!(workshop.queue.len(), 2, "the job was not given back");
    }

    handler.gate.add_permits(1);
    workshop.start_worker();
    assert_eq!(workshop.until(id, JobState::Done).await.attempts, 1);
}

#[tokio::test]
async fn a_worker_that_is_cut_off_without_a_job_stops_too() {
    let workshop = failing(0, false);
    let stopping = workshop.worker().run(pending(), std::future::ready(()));
    tokio::time::timeout(DEADLINE, stopping)
        .await
        .expect("it waits for a job");
}

/// Fails when it is first called, and notes for which jobs it was called.
struct FailsFirst(Mutex<Vec<Uuid>>);

#[async_trait]
impl JobHandler for FailsFirst {
    async fn run(&self, message: &JobMessage, _: &Progress) -> Result<Value, String> {
        let mut called_for = self.0.lock().unwrap();
        called_for.push(message.id);
        if called_for.len() == 1 {
            return Err("the disk is full".to_owned());
        }
        Ok(Value::Null)
    }
}

#[tokio::test]
async fn a_job_that_failed_is_tried_again_after_the_others() {
    let handler = Arc::new(FailsFirst(Mutex::default()));
    let workshop = Workshop::new("job", handler.clone());
    let (bad, good) = (workshop.submit("job").await, workshop.submit("job").await);

    workshop.start_worker();
    workshop.until(bad, JobState::Done).await;
    workshop.until(good, JobState::Done).await;

    assert_eq!(
        *handler.0.lock().unwrap(),
        [bad, good, bad],
        "a failing job kept the jobs behind it waiting"
    );
}
