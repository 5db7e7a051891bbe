//! The way to Docker: one client, on a runtime of its own.
//!
//! Every `#[tokio::test]` has a runtime that ends with the test, and a client's connections end with the runtime that opened them. So
//! that many tests can share one client, all of the testbed's work runs on a runtime that lives as long as the process.

use std::sync::OnceLock;

use testcontainers::bollard::Docker;
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OnceCell;

use crate::error::Error;

/// The name of the threads on which the testbed works.
const THREAD: &str = "testbed";

/// The testbed's own runtime.
pub(crate) fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).thread_name(THREAD).enable_all();
        builder
            .build()
            .expect("a process that can run tests can start two threads")
    };
    RUNTIME.get_or_init(start).handle()
}

/// Runs `work` on the testbed's runtime and waits for it. If the caller stops waiting, the work goes on to its end: half a server
/// would be worse than one too many.
pub(crate) async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match runtime().spawn(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The same for `drop`, which cannot await. Blocks its thread until the work is done.
pub(crate) fn block<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, waiting) = std::sync::mpsc::channel();
    runtime().spawn(async move {
        let _ = done.send(work.await);
    });
    // Somebody who stopped waiting for a server has it dropped here, on our own threads. There are two of them, and were both to
    // wait, nobody would be left to do the work.
    if std::thread::current().name() == Some(THREAD) {
        tokio::task::block_in_place(|| waiting.recv().ok())
    } else {
        waiting.recv().ok()
    }
}

/// A client whose engine has answered. Only success is remembered: whoever starts Docker and tries again in the same process is served.
pub(crate) async fn docker() -> Result<Docker, Error> {
    static CLIENT: OnceCell<Docker> = OnceCell::const_new();
    CLIENT.get_or_try_init(connect).await.cloned()
}

async fn connect() -> Result<Docker, Error> {
    let client = docker_client_instance().await;
    let client = client.map_err(|error| Error::said("be found", error.to_string()))?;
    client
        .ping()
        .await
        .map_err(|error| Error::docker("answer", &error))?;
    Ok(client)
}
