//! The role that runs jobs.

use ch04_async::Worker;

use crate::jobs;
use crate::services::Services;

/// A worker with this name.
pub fn worker(name: String, services: &Services) -> Worker {
    Worker {
        name,
        queue: services.queue.clone(),
        job_store: services.jobs.clone(),
        handlers: jobs::handlers(services),
    }
}
