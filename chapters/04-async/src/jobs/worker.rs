//! A worker takes a job off the queue, runs it, records the outcome, and only then acknowledges it.
//!
//! This order matters. If a worker dies before the acknowledgement, another worker gets the
//! message: the job may *start* twice, but it is not lost. So a handler must be idempotent. The
//! job store counts the attempts, because brokers count deliveries differently from version to
//! version.

use std::collections::HashMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ch02_database::StoreError;
use common::error_chain;
use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::sleep;
use uuid::Uuid;

use super::job::{JobMessage, JobUpdate};
use super::store::JobStore;
use crate::queue::{Delivery, JobQueue};

/// After this many attempts a job is `dead`.
pub const MAX_ATTEMPTS: u32 = 3;

/// The pause after the queue or the job store returned an error.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs the jobs of one name.
#[async_trait]
pub trait JobHandler: Send + Sync + 'static {
    /// Runs the job. The worker may run the same job again, for example after a crash. The customer
    /// sees the text of an error.
    async fn run(&self, message: &JobMessage, progress: &Progress) -> Result<Value, String>;
}

/// The handlers by job name.
pub type Handlers = HashMap<&'static str, Arc<dyn JobHandler>>;

/// Records the progress of a running job.
pub struct Progress {
    job_store: Arc<dyn JobStore>,
    id: Uuid,
}

impl Progress {
    /// Records `percent`, 0 to 100. A failure is only logged, because the job does not depend on
    /// it.
    pub async fn set(&self, percent: u8) {
        let update = JobUpdate::Progress(percent.min(100));
        if let Err(error) = self.job_store.update(self.id, update).await {
            tracing::warn!(job = %self.id, %error, "cannot record the progress of a job");
        }
    }
}

/// Runs the jobs of a queue, one at a time.
#[derive(Clone)]
pub struct Worker {
    /// Shown in logs.
    pub name: String,
    /// The queue from which the worker takes jobs.
    pub queue: Arc<dyn JobQueue>,
    /// The jobs' records.
    pub job_store: Arc<dyn JobStore>,
    /// The handlers by job name.
    pub handlers: Arc<Handlers>,
}

impl Worker {
    /// Runs jobs until one of two signals arrives.
    ///
    /// After `stop` the worker finishes its job and takes no other. After `interrupt` it stops at
    /// once, and its job returns to the queue ([`JobUpdate::Interrupted`]). Dropping this future is
    /// like a crash: the job returns to the queue too, but the attempt counts.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send,
        interrupt: impl Future<Output = ()> + Send,
    ) {
        let (mut stop, mut interrupt) = (pin!(stop), pin!(interrupt));
        loop {
            let delivery = tokio::select! {
                // Biased, so that the worker takes no further job after a signal.
                biased;
                () = &mut stop => return,
                () = &mut interrupt => return,
                delivery = self.queue.receive() => delivery,
            };
            match delivery {
                Ok(delivery) => {
                    if self.work(delivery, interrupt.as_mut()).await.is_break() {
                        return;
                    }
                }
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::error!(worker = %self.name, error, "cannot receive a job; retrying");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    // ANCHOR: work
    /// Runs one job, and then acknowledges or returns its message. Breaks after an interrupt.
    async fn work(
        &self,
        delivery: Delivery<JobMessage>,
        interrupt: Pin<&mut impl Future<Output = ()>>,
    ) -> ControlFlow<()> {
        let (worker, job) = (&self.name, delivery.message.id);
        match self.attempt(&delivery.message, interrupt).await {
            Ok(Disposition::Ack) => {
                if let Err(error) = delivery.ack().await {
                    tracing::warn!(%worker, %job, %error, "cannot acknowledge; expect it again");
                }
            }
            Ok(Disposition::Requeue) => {
                if let Err(error) = delivery.requeue().await {
                    tracing::warn!(%worker, %job, %error, "cannot requeue; expect it again");
                }
            }
            Ok(Disposition::Release) => {
                drop(delivery);
                return ControlFlow::Break(());
            }
            Err(error) => {
                tracing::error!(%worker, %job, %error, "cannot write the job's record; retrying");
                sleep(RETRY_PAUSE).await;
                drop(delivery);
            }
        }
        ControlFlow::Continue(())
    }
    // ANCHOR_END: work

    async fn attempt(
        &self,
        message: &JobMessage,
        interrupt: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Disposition, StoreError> {
        let id = message.id;
        let Some(record) = self.job_store.get(id).await? else {
            tracing::error!(job = %id, "the job has no record; its message is removed");
            return Ok(Disposition::Ack);
        };
        if !record.state.is_final() && record.attempts >= MAX_ATTEMPTS {
            // A failed last attempt would be final. This one killed its worker, which could not
            // record the failure any more.
            let reason =
                format!("started {MAX_ATTEMPTS} times, and the last worker did not finish");
            self.job_store.update(id, JobUpdate::Dead(reason)).await?;
            return Ok(Disposition::Ack);
        }
        let started = self.job_store.update(id, JobUpdate::Started).await?;
        let Some(job) = started.filter(|job| !job.state.is_final()) else {
            // A second delivery: the first worker finished, but its acknowledgement did not arrive.
            return Ok(Disposition::Ack);
        };
        // Interrupts only the handler. An interrupted write of the record would leave open whether
        // the attempt counts.
        let outcome = tokio::select! {
            biased;
            outcome = self.call_handler(message) => outcome,
            () = interrupt => {
                self.job_store.update(id, JobUpdate::Interrupted).await?;
                return Ok(Disposition::Release);
            }
        };
        let (update, disposition) = match outcome {
            Ok(result) => (JobUpdate::Done(result), Disposition::Ack),
            Err(reason) if job.attempts < MAX_ATTEMPTS => {
                (JobUpdate::Failed(reason), Disposition::Requeue)
            }
            Err(reason) => (JobUpdate::Dead(reason), Disposition::Ack),
        };
        self.job_store.update(id, update).await?;
        Ok(disposition)
    }

    async fn call_handler(&self, message: &JobMessage) -> Result<Value, String> {
        let handler = self
            .handlers
            .get(message.job.as_str())
            .ok_or_else(|| format!("no worker has a handler for the job {:?}", message.job))?;
        let progress = Progress {
            job_store: self.job_store.clone(),
            id: message.id,
        };
        // A panic in a handler must not end the worker.
        AssertUnwindSafe(handler.run(message, &progress))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err("the job's handler panicked".to_owned()))
    }
}

/// What the worker does with the message after an attempt.
enum Disposition {
    /// Acknowledge it: the job has ended.
    Ack,
    /// Put it behind the other jobs: the attempt failed.
    Requeue,
    /// Return it to the front, for another worker: this worker stops.
    Release,
}
