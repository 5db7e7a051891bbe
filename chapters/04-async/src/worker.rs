//! A worker: takes a job off the queue, does it, says how it went, and only then acknowledges it.
//!
//! The order of those steps is the lesson. A worker that dies before the acknowledgement leaves a message that another worker
//! gets: the job may be *begun* twice, but it is not lost. That is why a handler must bear being run again, and why
//! attempts are counted on the board and not by the broker, whose own count differs from version to version.
//! Left out: a pause between attempts (a failed job only goes behind the others that wait).

use std::collections::HashMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;

use async_trait::async_trait;
use ch02_database::StoreError;
use futures_util::FutureExt;
use serde_json::Value;
use uuid::Uuid;

use crate::board::{JobBoard, JobUpdate};
use crate::job::JobMessage;
use crate::queue::{Delivery, JobQueue};

/// After this many attempts a job is `dead`.
pub const MAX_ATTEMPTS: u32 = 3;

/// The work behind one job name.
#[async_trait]
pub trait JobHandler: Send + Sync + 'static {
    /// Does the work. May be called again for the same job, after a crash for one. The error's text is shown to the customer.
    async fn run(&self, message: &JobMessage, progress: &Progress) -> Result<Value, String>;
}

/// The handlers by job name.
pub type Handlers = HashMap<&'static str, Arc<dyn JobHandler>>;

/// Where a handler reports how far it is.
pub struct Progress {
    board: Arc<dyn JobBoard>,
    id: Uuid,
}

impl Progress {
    /// Reports `percent`, 0 to 100. A report that cannot be written is only logged: progress is a courtesy, the result is not.
    pub async fn set(&self, percent: u8) {
        let update = JobUpdate::Progress(percent.min(100));
        if let Err(error) = self.board.update(self.id, update).await {
            tracing::warn!(job = %self.id, %error, "progress was not written");
        }
    }
}

/// Takes jobs off a queue, one at a time.
#[derive(Clone)]
pub struct Worker {
    /// Shown in logs.
    pub name: String,
    /// Where the jobs come from.
    pub queue: Arc<dyn JobQueue>,
    /// Where their records are kept.
    pub board: Arc<dyn JobBoard>,
    /// What to do for each job name.
    pub handlers: Arc<Handlers>,
}

impl Worker {
    /// Works until one of two signals comes. `stop`: finish the job in hand and begin no other. `cut_off`, for who cannot wait
    /// that long: let go of the job in hand, take its attempt back ([`JobUpdate::Interrupted`]) and return it to the queue.
    ///
    /// Dropping this future is what a crash does: the job goes back to the queue too, but its attempt counts.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send,
        cut_off: impl Future<Output = ()> + Send,
    ) {
        let (mut stop, mut cut_off) = (pin!(stop), pin!(cut_off));
        loop {
            let delivery = tokio::select! {
                // Biased, so that a worker told to stop does not begin one more job.
                biased;
                () = &mut stop => return,
                () = &mut cut_off => return,
                delivery = self.queue.receive() => delivery,
            };
            match delivery {
                Ok(delivery) => {
                    if self.work(delivery, cut_off.as_mut()).await.is_break() {
                        return;
                    }
                }
                Err(error) => {
                    let error = error.with_causes();
                    tracing::error!(worker = %self.name, error, "cannot receive; trying again in a second");
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
            }
        }
    }

    // ANCHOR: work
    /// Does one job and tells the queue what became of it. Breaks if it was cut off.
    async fn work(
        &self,
        delivery: Delivery,
        cut_off: Pin<&mut impl Future<Output = ()>>,
    ) -> ControlFlow<()> {
        let id = delivery.message.id;
        match self.attempt(&delivery.message, cut_off).await {
            Ok(Verdict::Finished) => {
                if let Err(error) = delivery.ack().await {
                    tracing::warn!(worker = %self.name, job = %id, %error, "done, but not acknowledged; it will come again");
                }
            }
            Ok(Verdict::TryAgain) => {
                if let Err(error) = delivery.requeue().await {
                    tracing::warn!(worker = %self.name, job = %id, %error, "not put behind the others; it will come again");
                }
            }
            Ok(Verdict::CutOff) => {
                drop(delivery);
                return ControlFlow::Break(());
            }
            Err(error) => {
                tracing::error!(worker = %self.name, job = %id, %error, "the job's record cannot be written; trying again in a second");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                drop(delivery);
            }
        }
        ControlFlow::Continue(())
    }
    // ANCHOR_END: work

    async fn attempt(
        &self,
        message: &JobMessage,
        cut_off: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Verdict, StoreError> {
        let Some(found) = self.board.get(message.id).await? else {
            tracing::error!(job = %message.id, "a message without a record; dropping it");
            return Ok(Verdict::Finished);
        };
        if !found.state.is_final() && found.attempts >= MAX_ATTEMPTS {
            // A last attempt that failed would be final. This one took its worker down with it, so nobody could say so.
            let reason = format!(
                "begun {MAX_ATTEMPTS} times, and the last time the worker was gone before the end"
            );
            self.board
                .update(message.id, JobUpdate::Dead(reason))
                .await?;
            return Ok(Verdict::Finished);
        }
        let started = self.board.update(message.id, JobUpdate::Started).await?;
        let Some(job) = started.filter(|job| !job.state.is_final()) else {
            // Delivered a second time, after the first worker finished but before its acknowledgement arrived.
            return Ok(Verdict::Finished);
        };
        // Only the handler is cut off. A record half written would leave it open whether the attempt was counted.
        let outcome = tokio::select! {
            biased;
            outcome = self.call_handler(message) => outcome,
            () = cut_off => {
                self.board.update(message.id, JobUpdate::Interrupted).await?;
                return Ok(Verdict::CutOff);
            }
        };
        let (update, verdict) = match outcome {
            Ok(result) => (JobUpdate::Done(result), Verdict::Finished),
            Err(reason) if job.attempts < MAX_ATTEMPTS => {
                (JobUpdate::Failed(reason), Verdict::TryAgain)
            }
            Err(reason) => (JobUpdate::Dead(reason), Verdict::Finished),
        };
        self.board.update(message.id, update).await?;
        Ok(verdict)
    }

    async fn call_handler(&self, message: &JobMessage) -> Result<Value, String> {
        let handler = self
            .handlers
            .get(message.job.as_str())
            .ok_or_else(|| format!("no worker knows the job {:?}", message.job))?;
        let progress = Progress {
            board: self.board.clone(),
            id: message.id,
        };
        // A handler that panics must not take the worker with it.
        AssertUnwindSafe(handler.run(message, &progress))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err("the job's handler panicked".to_owned()))
    }
}

/// What to tell the queue.
enum Verdict {
    /// The message may be forgotten.
    Finished,
    /// The message has to come again, after the others.
    TryAgain,
    /// The message has to come again, to another worker: this one stops.
    CutOff,
}
