//! The tests that every implementation of this chapter's interfaces must pass.
//!
//! Each contract uses two handles of the same service, `one` and `other`, like two processes with
//! two connections. An implementation for one process passes the same handle twice. The contracts
//! hold in memory, in SQLite, in PostgreSQL and over a broker. Promises of a single implementation
//! have their own tests.
//!
//! Left out: what happens when a process or a server dies. Those tests need something to kill, so
//! they are with the implementations that survive it.

mod event_bus;
mod job_queue;
mod job_store;

use std::time::Duration;

pub use event_bus::event_bus;
pub use job_queue::job_queue;
pub use job_store::job_store;

/// Enough for the slowest machine. Only a failing implementation reaches it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `future` until the deadline. `hint` names the likely mistake.
async fn within_deadline<T>(future: impl Future<Output = T>, hint: &str) -> T {
    let Ok(value) = tokio::time::timeout(DEADLINE, future).await else {
        let seconds = DEADLINE.as_secs();
        panic!("no result within {seconds} seconds: {hint}");
    };
    value
}
