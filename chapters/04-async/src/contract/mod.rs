//! What every implementation of this chapter's seams has to keep, as code: each implementation's tests call it.
//!
//! A contract is judged through two handles of the same thing, `one` and `other`: two connections, as two processes would have them. An
//! implementation that lives in one process gives the same thing twice. Whatever is said here holds in memory, in SQLite, in PostgreSQL
//! and over a broker alike; what only one of them can promise has a test of its own there.
//!
//! Left out: what happens when a process or a server dies. That needs something to kill, so it is with the tests of those that outlive it.

mod board;
mod events;
mod queue;

use std::time::Duration;

pub use board::board;
pub use events::events;
pub use queue::queue;

/// Long enough for the slowest machine, and reached only by an implementation that fails.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for what should come.
async fn soon<T>(what: impl Future<Output = T>, otherwise: &str) -> T {
    let Ok(value) = tokio::time::timeout(DEADLINE, what).await else {
        panic!(
            "nothing came within {} seconds: {otherwise}",
            DEADLINE.as_secs()
        );
    };
    value
}
