//! The interface of the job store, which keeps the jobs' records.
//!
//! The queue moves jobs, the job store remembers them. A client that polls or listens for progress
//! reads the job store and never the queue.

use async_trait::async_trait;
use ch02_database::StoreError;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::job::{Job, JobMessage, JobUpdate};

/// The records of all jobs.
#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// Creates the record of a new job, `queued`. The record is durable when this returns. Call it
    /// *before* publishing the message, so that no worker gets a job without a record.
    async fn create(&self, message: &JobMessage) -> Result<Job, StoreError>;

    /// The record of one job.
    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError>;

    /// Applies an update and returns the new record, or `None` if there is no such job. A final
    /// record never changes: the store ignores the update and returns the final record.
    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError>;

    /// The messages of all jobs that are not final, oldest first.
    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError>;

    /// The ids of jobs that any process changes from now on. To see the change, call
    /// [`JobStore::get`].
    ///
    /// A change can be reported late, if the connection to the database was lost, or twice. A slow
    /// listener misses some changes and gets an error that says so. The last change of a job is
    /// always reported.
    fn changes(&self) -> broadcast::Receiver<Uuid>;
}
