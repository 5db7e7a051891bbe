//! Jobs: their records, and the workers that run them.
//!
//! | file | content |
//! |---|---|
//! | `job.rs` | a job as a message and as a record, and its states |
//! | `store.rs` | the interface [`JobStore`] |
//! | `memory.rs`, `postgres/` | the job stores in this process and in PostgreSQL |
//! | `worker.rs` | takes jobs off the queue and runs their handlers |

mod job;
mod memory;
mod postgres;
mod store;
mod worker;

pub use job::{Job, JobMessage, JobState, JobUpdate};
pub use memory::MemoryJobStore;
pub use postgres::PgJobStore;
pub use store::JobStore;
pub use worker::{Handlers, JobHandler, MAX_ATTEMPTS, Progress, Worker};
