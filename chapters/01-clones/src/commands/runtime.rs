//! The threads of a server: one for each processor, or as many as `TOKIO_WORKER_THREADS` says.
//!
//! With one thread it uses tokio's current-thread runtime. A balancer needs less CPU time per
//! request there, and one thread serves tens of thousands of requests per second.

use std::future::Future;

use tokio::runtime::Builder;

/// Runs the program to its end. `program` is called inside the runtime, because opening a store may
/// need it.
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
