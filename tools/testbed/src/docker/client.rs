//! One Docker client for the whole process, on a runtime of its own.
//!
//! Every `#[tokio::test]` has a runtime that ends with the test, and a client's connections end
//! with the runtime that opened them. The testbed therefore does all its work on a runtime that
//! lives as long as the process. All tests share one client on it.

use std::sync::OnceLock;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OnceCell;

use crate::error::Error;

/// The name of the runtime's threads.
const THREAD_NAME: &str = "testbed";

/// The testbed's own runtime.
pub(crate) fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(2).thread_name(THREAD_NAME);
        let runtime = builder.enable_all().build();
        runtime.expect("a process that runs tests can start two more threads")
    };
    RUNTIME.get_or_init(start).handle()
}

/// Runs `work` on the testbed's runtime and waits for it. If the caller is cancelled, the work
/// continues to its end, so that no container is left half created.
pub(crate) async fn run<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match runtime().spawn(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The same for `Drop`, which cannot await: blocks the thread until the work is done.
pub(crate) fn block_on<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, result) = std::sync::mpsc::channel();
    runtime().spawn(async move {
        let _ = done.send(work.await);
    });
    // If the test stops waiting while a server starts, that server is dropped on one of our two
    // threads. Without `block_in_place`, two such drops would leave no thread to do the work.
    if std::thread::current().name() == Some(THREAD_NAME) {
        tokio::task::block_in_place(|| result.recv().ok())
    } else {
        result.recv().ok()
    }
}

/// A client whose engine has answered. A failure is not remembered, so a later call succeeds if
/// Docker was started in the meantime.
pub(crate) async fn client() -> Result<Docker, Error> {
    static CLIENT: OnceCell<Docker> = OnceCell::const_new();
    CLIENT.get_or_try_init(connect).await.cloned()
}

async fn connect() -> Result<Docker, Error> {
    let client = docker_client_instance().await;
    let client = client.map_err(|error| Error::docker_message("be found", error.to_string()))?;
    client
        .ping()
        .await
        .map_err(|error| Error::docker("answer", &error))?;
    Ok(client)
}

/// Whether Docker says that the container, network or image does not exist.
pub(crate) fn is_missing(error: &DockerError) -> bool {
    matches!(
        error,
        DockerError::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
