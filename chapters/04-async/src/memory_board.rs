//! A board in this process's memory, for demonstrations and tests. A store that should remember its jobs needs a database.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ch02_database::StoreError;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::board::{JobBoard, JobUpdate};
use crate::job::{Job, JobMessage};

/// Job records that end with the process.
pub struct MemoryBoard {
    jobs: Mutex<BTreeMap<Uuid, Job>>,
    changes: broadcast::Sender<Uuid>,
}

impl Default for MemoryBoard {
    fn default() -> Self {
        MemoryBoard {
            jobs: Mutex::default(),
            changes: broadcast::channel(256).0,
        }
    }
}

impl MemoryBoard {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<Uuid, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, id: Uuid) {
        // An error means that nobody listens, which is nobody's fault.
        let _ = self.changes.send(id);
    }
}

#[async_trait]
impl JobBoard for MemoryBoard {
    async fn open(&self, message: &JobMessage) -> Result<Job, StoreError> {
        let job = Job::queued(message);
        self.jobs().insert(job.id, job.clone());
        self.tell(job.id);
        Ok(job)
    }

    async fn get(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs().get(&id).cloned())
    }

    async fn update(&self, id: Uuid, update: JobUpdate) -> Result<Option<Job>, StoreError> {
        let updated = self.jobs().get_mut(&id).map(|job| {
            job.apply(update);
            job.clone()
        });
        self.tell(id);
        Ok(updated)
    }

    async fn unfinished(&self) -> Result<Vec<JobMessage>, StoreError> {
        let jobs = self.jobs();
        let unfinished = jobs.values().filter(|job| !job.state.is_final());
        Ok(unfinished.map(Job::message).collect())
    }

    fn changes(&self) -> broadcast::Receiver<Uuid> {
        self.changes.subscribe()
    }
}
