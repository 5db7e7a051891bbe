//! The job store for one process, for demonstrations and tests. It is lost when the process ends.

use std::collections::BTreeMap;

use async_trait::async_trait;
use ch02_database::StoreError;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use uuid::Uuid;

use super::job::{Job, JobMessage, JobUpdate};
use super::store::JobStore;

/// How many changes a slow listener may be behind before it misses some.
const CHANGE_BUFFER: usize = 256;

/// Job records in this process's memory.
pub struct MemoryJobStore {
    jobs: Mutex<BTreeMap<Uuid, Job>>,
    changes: broadcast::Sender<Uuid>,
}

impl Default for MemoryJobStore {
    fn default() -> Self {
        MemoryJobStore {
            jobs: Mutex::default(),
            changes: broadcast::Sender::new(CHANGE_BUFFER),
        }
    }
}

impl MemoryJobStore {
    fn report_change(&self, id: Uuid) {
        // `send` fails if there is no listener, which is fine.
        let _ = self.changes.send(id);
    }
}

#[async_trait]
impl JobStore for MemoryJobStore {
    async fn create(&self, message: &JobMessage) -> Result<Job, StoreError> {
        let job = Job::queued(message);
        self.jobs.lock().insert(job.id, job.clone());
        self.report_change(job.id);
        Ok(job)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs.lock().get(&id).cloned())
    }

    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError> {
        let updated = self.jobs.lock().get_mut(&id).map(|job| {
            job.apply(update);
            job.clone()
        });
        self.report_change(id);
        Ok(updated)
    }

    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError> {
        let jobs = self.jobs.lock();
        let unfinished = jobs.values().filter(|job| !job.state.is_final());
        Ok(unfinished.map(Job::message).collect())
    }

    fn changes(&self) -> broadcast::Receiver<Uuid> {
        self.changes.subscribe()
    }
}
