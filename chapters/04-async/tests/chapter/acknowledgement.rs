//! A worker acknowledges a job after it has recorded the result.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use ch04_async::jobs::Handlers;
use ch04_async::{
    AckHandle, Delivery, JobHandler, JobMessage, JobQueue, JobState, JobStore, MemoryJobStore,
    Progress, QueueError, Worker,
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::support::{DEADLINE, message};

/// A queue with one message. It reports how the worker answers, and the job's state at that time.
struct OneMessageQueue {
    message: Mutex<Option<JobMessage>>,
    job_store: Arc<MemoryJobStore>,
    answers: mpsc::UnboundedSender<(&'static str, JobState)>,
}

#[async_trait]
impl JobQueue for OneMessageQueue {
    async fn publish(&self, _: &JobMessage) -> Result<(), QueueError> {
        unreachable!("the test hands the message over directly")
    }

    async fn receive(&self) -> Result<Delivery<JobMessage>, QueueError> {
        let message = self.message.lock().take();
        let Some(message) = message else {
            return pending().await;
        };
        let handle = ReportingHandle {
            job: message.id,
            job_store: self.job_store.clone(),
            answers: self.answers.clone(),
        };
        Ok(Delivery::new(message, Box::new(handle)))
    }
}

struct ReportingHandle {
    job: Uuid,
    job_store: Arc<MemoryJobStore>,
    answers: mpsc::UnboundedSender<(&'static str, JobState)>,
}

impl ReportingHandle {
    async fn report(&self, answer: &'static str) -> Result<(), QueueError> {
        let job = self.job_store.get(self.job).await.unwrap();
        let state = job.expect("the job should have a record").state;
        let _ = self.answers.send((answer, state));
        Ok(())
    }
}

#[async_trait]
impl AckHandle for ReportingHandle {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        self.report("ack").await
    }

    async fn requeue(self: Box<Self>) -> Result<(), QueueError> {
        self.report("requeue").await
    }
}

struct Export;

#[async_trait]
impl JobHandler for Export {
    async fn run(&self, _: &JobMessage, _: &Progress) -> Result<Value, String> {
        Ok(Value::Null)
    }
}

#[tokio::test]
async fn done_job_is_acknowledged_after_its_record() {
    let job_store = Arc::new(MemoryJobStore::default());
    let message = message("export");
    job_store.create(&message).await.unwrap();
    let (answers, mut answered) = mpsc::unbounded_channel();
    let queue = OneMessageQueue {
        message: Mutex::new(Some(message)),
        job_store: job_store.clone(),
        answers,
    };
    let handler: Arc<dyn JobHandler> = Arc::new(Export);
    let worker = Worker {
        name: "worker".to_owned(),
        queue: Arc::new(queue),
        job_store,
        handlers: Arc::new(Handlers::from([("export", handler)])),
    };
    let running = tokio::spawn(worker.run(pending(), pending()));

    let answer = tokio::time::timeout(DEADLINE, answered.recv()).await;

    running.abort();
    let answer = answer.expect("a done job must be acknowledged, or the broker keeps it for ever");
    assert_eq!(
        answer,
        Some(("ack", JobState::Done)),
        "the worker must record the result first and acknowledge then"
    );
}
