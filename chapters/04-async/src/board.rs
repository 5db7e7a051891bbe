//! The seam behind which the jobs' records stand: [`JobBoard`].
//!
//! The queue moves jobs; the board remembers them. A customer who polls, or who listens for events, asks the board and never
//! the queue. Left out: forgetting old jobs.

use async_trait::async_trait;
use ch02_database::StoreError;
use serde_json::Value;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::job::{Job, JobMessage};

/// The records of all jobs.
#[async_trait]
pub trait JobBoard: Send + Sync + 'static {
    /// Writes the record of a new job, `queued`. Durable when it returns; call it *before* the message is published, so
    /// that no worker can meet a job without a record.
    async fn open(&self, message: &JobMessage) -> Result<Job, StoreError>;

    /// The record of one job.
    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError>;

    /// Writes what became of a job and returns the new record; `None` if there is no such job. A final record never
    /// changes again: the update is ignored and the final record returned.
    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError>;

    /// The messages of all jobs that are not final, oldest first.
    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError>;

    /// The ids of jobs as they change, by whichever process, from now on. Being told means: look again ([`JobBoard::get`]). A change
    /// may be told late (when the way to the database was cut), or twice, and a listener that falls behind misses some and is told
    /// *that*; but the last change of a job is never left untold.
    fn changes(&self) -> broadcast::Receiver<Uuid>;
}

/// A step in a job's life.
#[derive(Clone, Debug, PartialEq)]
pub enum JobUpdate {
    /// A worker begins: one more attempt, progress 0.
    Started,
    /// The current attempt has come this far, 0 to 100.
    Progress(u8),
    /// It succeeded with this result.
    Done(Value),
    /// The attempt failed for this reason; another will follow.
    Failed(String),
    /// The last attempt failed for this reason.
    Dead(String),
    /// The store is being stopped, so the worker let go of the job: the attempt is taken back and the job is as it was on the
    /// queue. Without this, three restarts in the middle of a long job would make it `Dead` though nothing was wrong with it.
    Interrupted,
}
