//! The threads that a server of this chapter runs on: one for each processor, or as many as `TOKIO_WORKER_THREADS` says.
//!
//! With one thread tokio's other flavour is taken, in which tasks need no hand-over between threads. A request costs a balancer less
//! that way, and one thread carries tens of thousands of them a second; where many small machines do the work, one is what you want.

use std::future::Future;

use tokio::runtime::Builder;

/// Runs the program to its end. It is made inside, because opening a store may already need the runtime.
pub fn start<F: Future<Output = anyhow::Result<()>>>(
    program: impl FnOnce() -> F,
) -> anyhow::Result<()> {
    let is_single = std::env::var("TOKIO_WORKER_THREADS").is_ok_and(|threads| threads == "1");
    let mut builder = if is_single {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder
        .enable_all()
        .build()?
        .block_on(async { program().await })
}
