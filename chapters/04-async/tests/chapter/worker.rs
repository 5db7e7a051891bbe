//! The worker: how often each job starts, and how it ends.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ch04_async::jobs::{Handlers, MAX_ATTEMPTS};
use ch04_async::{
    Job, JobHandler, JobMessage, JobQueue, JobState, JobStore, MemoryJobStore, MemoryQueue,
    Progress, Worker,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::support::{DEADLINE, message};

/// A queue, a job store, and workers that use them.
struct TestStore {
    queue: MemoryQueue,
    job_store: Arc<MemoryJobStore>,
    handlers: Arc<Handlers>,
}

impl TestStore {
    fn new(name: &'static str, handler: Arc<dyn JobHandler>) -> Self {
        TestStore {
            queue: MemoryQueue::new(100),
            job_store: Arc::new(MemoryJobStore::default()),
            handlers: Arc::new(Handlers::from([(name, handler)])),
        }
    }

    async fn submit(&self, job: &str) -> Uuid {
        let message = message(job);
        self.job_store.create(&message).await.unwrap();
        self.queue.publish(&message).await.unwrap();
        message.id
    }

    fn worker(&self) -> Worker {
        Worker {
            name: "worker".to_owned(),
            queue: Arc::new(self.queue.clone()),
            job_store: self.job_store.clone(),
            handlers: self.handlers.clone(),
        }
    }

    fn start_worker(&self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(self.worker().run(pending(), pending()))
    }

    async fn job(&self, id: Uuid) -> Job {
        let job = self.job_store.get(id).await.unwrap();
        job.expect("the job should have a record")
    }

    async fn wait_for_state(&self, id: Uuid, state: JobState) -> Job {
        let expectation = format!("becomes {state:?}");
        self.wait_until(&expectation, id, |job| job.state == state)
            .await
    }

    /// Waits until the handler has started this attempt and reported its progress.
    async fn wait_for_attempt(&self, id: Uuid, attempt: u32) -> Job {
        let is_running = |job: &Job| job.attempts == attempt && job.progress == HALF_DONE;
        let expectation = format!("starts attempt {attempt}");
        self.wait_until(&expectation, id, is_running).await
    }

    /// Waits until the condition holds. A change that the job store reports wakes this function.
    async fn wait_until(
        &self,
        expectation: &str,
        id: Uuid,
        condition: impl Fn(&Job) -> bool,
    ) -> Job {
        let mut changes = self.job_store.changes();
        let reached = async {
            loop {
                let job = self.job(id).await;
                if condition(&job) {
                    return job;
                }
                let _ = changes.recv().await;
            }
        };
        match tokio::time::timeout(DEADLINE, reached).await {
            Ok(job) => job,
            Err(elapsed) => panic!(
                "{elapsed}: the job never {expectation}: {:?}",
                self.job(id).await
            ),
        }
    }
}

const HALF_DONE: u8 = 50;

/// Counts its calls, reports half of its progress, and waits for a permit before it continues.
struct GatedHandler {
    started: AtomicU32,
    gate: Semaphore,
}

impl GatedHandler {
    fn new() -> Arc<Self> {
        Arc::new(GatedHandler {
            started: AtomicU32::new(0),
            gate: Semaphore::new(0),
        })
    }
}

#[async_trait]
impl JobHandler for GatedHandler {
    async fn run(&self, _: &JobMessage, progress: &Progress) -> Result<Value, String> {
        self.started.fetch_add(1, Ordering::SeqCst);
        progress.set(HALF_DONE).await;
        self.gate.acquire().await.unwrap().forget();
        Ok(json!({ "times": self.started.load(Ordering::SeqCst) }))
    }
}

/// Fails a number of times, then succeeds.
struct FailingHandler {
    failures_left: AtomicU32,
    panics: bool,
}

#[async_trait]
impl JobHandler for FailingHandler {
    async fn run(&self, _: &JobMessage, _: &Progress) -> Result<Value, String> {
        let left = self
            .failures_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Err(_) => Ok(json!("succeeded")),
            Ok(_) if self.panics => panic!("on purpose"),
            Ok(_) => Err("the disk is full".to_owned()),
        }
    }
}

fn store_with_failing_handler(failures: u32, panics: bool) -> TestStore {
    let failures_left = AtomicU32::new(failures);
    let handler = FailingHandler {
        failures_left,
        panics,
    };
    TestStore::new("job", Arc::new(handler))
}

#[tokio::test]
async fn job_is_queued_then_running_then_done() {
    let handler = GatedHandler::new();
    let store = TestStore::new("job", handler.clone());

    let id = store.submit("job").await;
    assert_eq!(store.job(id).await.state, JobState::Queued);

    store.start_worker();
    let running = store.wait_for_state(id, JobState::Running).await;
    assert_eq!(running.attempts, 1);

    handler.gate.add_permits(1);
    let done = store.wait_for_state(id, JobState::Done).await;
    assert_eq!(
        (done.progress, done.attempts, done.result),
        (100, 1, Some(json!({ "times": 1 })))
    );
}

#[tokio::test]
async fn another_worker_finishes_an_aborted_workers_job() {
    let handler = GatedHandler::new();
    let store = TestStore::new("job", handler.clone());
    let id = store.submit("job").await;
    let first = store.start_worker();
    store.wait_for_state(id, JobState::Running).await;

    first.abort();
    let _ = first.await;
    assert_eq!(
        store.queue.len(),
        1,
        "the message did not return to the queue: was it acknowledged before the work?"
    );
    handler.gate.add_permits(1);
    store.start_worker();

    let done = store.wait_for_state(id, JobState::Done).await;
    assert_eq!(
        done.attempts, 2,
        "the job should start twice and finish once"
    );
}

#[tokio::test]
async fn failed_job_is_retried() {
    let store = store_with_failing_handler(2, false);
    let id = store.submit("job").await;
    store.start_worker();
    let done = store.wait_for_state(id, JobState::Done).await;
    assert_eq!((done.attempts, done.result), (3, Some(json!("succeeded"))));
}

#[tokio::test]
async fn job_is_dead_after_last_attempt() {
    let store = store_with_failing_handler(u32::MAX, false);
    let id = store.submit("job").await;
    store.start_worker();
    let dead = store.wait_for_state(id, JobState::Dead).await;
    assert_eq!(dead.attempts, MAX_ATTEMPTS);
    assert_eq!(dead.result, Some(json!({ "error": "the disk is full" })));
    assert!(store.queue.is_empty(), "a dead job must not be requeued");
}

#[tokio::test]
async fn worker_survives_a_panicking_handler() {
    let store = store_with_failing_handler(1, true);
    let id = store.submit("job").await;
    store.start_worker();
    assert_eq!(store.wait_for_state(id, JobState::Done).await.attempts, 2);
}

#[tokio::test]
async fn job_that_kills_its_workers_dies() {
    let handler = GatedHandler::new();
    let store = TestStore::new("job", handler.clone());
    let id = store.submit("job").await;
    for attempt in 1..=MAX_ATTEMPTS {
        let worker = store.start_worker();
        store.wait_for_attempt(id, attempt).await;
        worker.abort();
        let _ = worker.await;
    }
    store.start_worker();
    let dead = store.wait_for_state(id, JobState::Dead).await;
    assert_eq!(
        dead.attempts, MAX_ATTEMPTS,
        "the check of the attempts must not count as an attempt"
    );
    let reason = "started 3 times, and the last worker did not finish";
    assert_eq!(dead.result, Some(json!({ "error": reason })));
    assert_eq!(
        handler.started.load(Ordering::SeqCst),
        MAX_ATTEMPTS,
        "the job started again after the last attempt"
    );
}

#[tokio::test]
async fn duplicate_message_runs_job_once() {
    let handler = GatedHandler::new();
    handler.gate.add_permits(2);
    let store = TestStore::new("job", handler.clone());
    let id = store.submit("job").await;
    let duplicate = store.job(id).await.message();
    store.start_worker();
    store.wait_for_state(id, JobState::Done).await;

    store.queue.publish(&duplicate).await.unwrap();
    // The second job is behind the duplicate. When it is done, the duplicate was handled.
    let second = store.submit("job").await;
    store.wait_for_state(second, JobState::Done).await;

    assert_eq!(
        handler.started.load(Ordering::SeqCst),
        2,
        "the finished job started again"
    );
    assert_eq!(store.job(id).await.attempts, 1);
}

#[tokio::test]
async fn job_without_handler_dies() {
    let store = store_with_failing_handler(0, false);
    let id = store.submit("no-such-job").await;
    store.start_worker();
    let dead = store.wait_for_state(id, JobState::Dead).await;
    assert_eq!(
        dead.result,
        Some(json!({ "error": "no worker has a handler for the job \"no-such-job\"" }))
    );
}

#[tokio::test]
async fn stopped_worker_finishes_only_its_current_job() {
    // Many rounds, because a `select!` without `biased` makes the right choice half of the time.
    for _ in 0..20 {
        let handler = GatedHandler::new();
        let store = TestStore::new("job", handler.clone());
        let (first, second) = (store.submit("job").await, store.submit("job").await);
        let stop = Arc::new(Semaphore::new(0));
        let stopped = stop.clone();
        let running = tokio::spawn(
            store
                .worker()
                .run(async move { drop(stopped.acquire().await) }, pending()),
        );
        store.wait_for_state(first, JobState::Running).await;

        stop.add_permits(1);
        handler.gate.add_permits(2);
        tokio::time::timeout(DEADLINE, running)
            .await
            .expect("the worker should stop after its job")
            .unwrap();

        assert_eq!(store.job(first).await.state, JobState::Done);
        assert_eq!(store.job(second).await.state, JobState::Queued);
    }
}

#[tokio::test]
async fn interrupted_attempts_do_not_count() {
    let handler = GatedHandler::new();
    let store = TestStore::new("job", handler.clone());
    let (id, next) = (store.submit("job").await, store.submit("job").await);

    for _ in 0..=MAX_ATTEMPTS {
        let interrupt = Arc::new(Semaphore::new(0));
        let signal = interrupt.clone();
        let running = tokio::spawn(
            store
                .worker()
                .run(pending(), async move { drop(signal.acquire().await) }),
        );
        store.wait_for_attempt(id, 1).await;
        interrupt.add_permits(1);
        tokio::time::timeout(DEADLINE, running)
            .await
            .expect("an interrupted worker must not wait for its job")
            .unwrap();

        let job = store.job(id).await;
        assert_eq!(
            (job.state, job.attempts, job.progress, job.result),
            (JobState::Queued, 0, 0, None),
            "an interrupted job must be queued again, without an attempt"
        );
        assert_eq!(
            store.job(next).await.state,
            JobState::Queued,
            "the next job started after the interrupt"
        );
        assert_eq!(store.queue.len(), 2, "the job is not back on the queue");
    }

    handler.gate.add_permits(1);
    store.start_worker();
    assert_eq!(store.wait_for_state(id, JobState::Done).await.attempts, 1);
}

#[tokio::test]
async fn interrupt_stops_an_idle_worker() {
    let store = store_with_failing_handler(0, false);
    let stopping = store.worker().run(pending(), std::future::ready(()));
    tokio::time::timeout(DEADLINE, stopping)
        .await
        .expect("the worker still waits for a job");
}

/// Fails at its first call, and records the ids of the jobs.
struct FailsFirst(Mutex<Vec<Uuid>>);

#[async_trait]
impl JobHandler for FailsFirst {
    async fn run(&self, message: &JobMessage, _: &Progress) -> Result<Value, String> {
        let mut called_for = self.0.lock();
        called_for.push(message.id);
        if called_for.len() == 1 {
            return Err("the disk is full".to_owned());
        }
        Ok(Value::Null)
    }
}

#[tokio::test]
async fn failed_job_is_retried_after_the_others() {
    let handler = Arc::new(FailsFirst(Mutex::default()));
    let store = TestStore::new("job", handler.clone());
    let (failing, healthy) = (store.submit("job").await, store.submit("job").await);

    store.start_worker();
    store.wait_for_state(failing, JobState::Done).await;
    store.wait_for_state(healthy, JobState::Done).await;

    assert_eq!(
        *handler.0.lock(),
        [failing, healthy, failing],
        "a failing job kept the jobs behind it waiting"
    );
}
