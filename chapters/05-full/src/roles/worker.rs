//! The role that does the jobs.

use ch04_async::Worker;

use crate::jobs;
use crate::services::Services;

/// A worker of this name.
pub fn worker(name: String, services: &Services) -> Worker {
    Worker {
        name,
        queue: services.queue.clone(),
        board: services.board.clone(),
        handlers: jobs::handlers(services),
    }
}
