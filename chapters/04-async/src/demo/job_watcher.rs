//! Watches jobs in the job store as a client does: after each reported change it reads the records.

use std::time::Duration;

use anyhow::{Context, bail};
use ch04_async::{Job, JobState, JobStore, PgJobStore};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

/// How long to wait for an expected change.
const DEADLINE: Duration = Duration::from_secs(20);

/// Follows the state of some jobs in the job store.
pub struct JobWatcher<'s> {
    job_store: &'s PgJobStore,
    changes: Receiver<Uuid>,
    jobs: Vec<Uuid>,
}

/// How many of the jobs are in which state, by their records.
pub struct JobCounts {
    pub done: usize,
    pub running: usize,
    pub queued: usize,
    /// Jobs with more than one attempt.
    pub started_twice: usize,
}

impl<'s> JobWatcher<'s> {
    /// Watches these jobs.
    pub fn new(job_store: &'s PgJobStore, jobs: Vec<Uuid>) -> Self {
        JobWatcher {
            job_store,
            changes: job_store.changes(),
            jobs,
        }
    }

    /// Watches all unfinished jobs.
    pub async fn unfinished(job_store: &'s PgJobStore) -> anyhow::Result<Self> {
        let unfinished = job_store.unfinished().await?;
        let jobs = unfinished.into_iter().map(|message| message.id).collect();
        Ok(JobWatcher::new(job_store, jobs))
    }

    /// Waits until `count` jobs satisfy the condition at the same time.
    pub async fn wait_for(
        &mut self,
        condition: impl Fn(&Job) -> bool,
        count: usize,
    ) -> anyhow::Result<()> {
        let reached = async {
            // Read first: the changes of the past are not reported again.
            while self
                .records()
                .await?
                .iter()
                .filter(|job| condition(job))
                .count()
                < count
            {
                if let Err(RecvError::Closed) = self.changes.recv().await {
                    bail!("the job store does not report changes any more");
                }
            }
            Ok(())
        };
        let waited = tokio::time::timeout(DEADLINE, reached).await;
        waited.with_context(|| {
            let seconds = DEADLINE.as_secs();
            format!("{count} jobs should have changed within {seconds} s; is a worker running?")
        })?
    }

    /// Counts the jobs by state.
    pub async fn counts(&self) -> anyhow::Result<JobCounts> {
        let jobs = self.records().await?;
        let count = |state| jobs.iter().filter(|job| job.state == state).count();
        Ok(JobCounts {
            done: count(JobState::Done),
            running: count(JobState::Running),
            queued: count(JobState::Queued),
            started_twice: jobs.iter().filter(|job| job.attempts > 1).count(),
        })
    }

    async fn records(&self) -> anyhow::Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for id in &self.jobs {
            let job = self.job_store.get(*id).await?;
            jobs.push(job.with_context(|| format!("the job {id} has no record any more"))?);
        }
        Ok(jobs)
    }
}
