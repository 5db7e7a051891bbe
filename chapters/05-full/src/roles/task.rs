//! A role that runs in a task of this process. It is started again when it ends or panics.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ch04_async::Worker;
use common::restart_delay::RestartDelay;
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// A role in its own task.
pub struct RoleTask {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RoleTask {
    /// Starts the role. `run` gets a future that resolves when the role must stop.
    ///
    /// A role that ends before that, or that panics, is started again: `run` is called again after
    /// a pause. `name` appears in the log.
    pub fn start<F>(
        name: impl Into<String>,
        run: impl FnMut(WaitForCancellationFutureOwned) -> F + Send + 'static,
    ) -> RoleTask
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_running(name.into(), stop.clone(), run));
        RoleTask { stop, task }
    }

    /// Starts a role that serves the connections of `listener`. If it is started again, it listens
    /// at the same address.
    ///
    /// Fails if the operating system does not tell the listener's address.
    pub fn start_server<F>(
        name: impl Into<String>,
        listener: TcpListener,
        run: impl Fn(TcpListener, WaitForCancellationFutureOwned) -> F + Send + Sync + 'static,
    ) -> io::Result<RoleTask>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (mut first, run) = (Some(listener), Arc::new(run));
        Ok(RoleTask::start(name, move |stop| {
            let (first, run) = (first.take(), run.clone());
            async move {
                let listener = match first {
                    Some(listener) => Ok(listener),
                    None => TcpListener::bind(address).await,
                };
                match listener {
                    Ok(listener) => run(listener, stop).await,
                    Err(error) => tracing::error!(%address, %error, "cannot listen again"),
                }
            }
        }))
    }

    /// Tells the role to stop, and does not wait for it.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Tells the role to stop and waits for it. Aborts its task at the deadline.
    pub async fn stop(mut self, deadline: Instant) {
        self.stop.cancel();
        if timeout_at(deadline, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Runs a role until `stop` is cancelled.
async fn keep_running<F: Future<Output = ()>>(
    name: String,
    stop: CancellationToken,
    mut run: impl FnMut(WaitForCancellationFutureOwned) -> F,
) {
    let mut delay = RestartDelay::default();
    loop {
        // The caught role is dropped, and the next one shares only the services with it. Their
        // locks are released when a panic drops their guards.
        let role = async { run(stop.clone().cancelled_owned()).await };
        let ended = AssertUnwindSafe(role).catch_unwind().await;
        if stop.is_cancelled() {
            return;
        }
        let reason = if ended.is_ok() { "ended" } else { "panicked" };
        tracing::error!(role = name, "the role has {reason}; it is started again");
        tokio::select! {
            () = delay.wait() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// A worker in its own task. It has two signals: take no other job, and give up the current job.
pub struct WorkerTask {
    role: RoleTask,
    give_up: CancellationToken,
}

impl WorkerTask {
    /// Starts the worker.
    pub fn start(worker: Worker) -> WorkerTask {
        let give_up = CancellationToken::new();
        let interrupt = give_up.clone();
        let role = RoleTask::start(worker.name.clone(), move |stop| {
            let interrupt = interrupt.clone().cancelled_owned();
            worker.clone().run(stop, interrupt)
        });
        WorkerTask { role, give_up }
    }

    /// Tells the worker to take no other job, and does not wait for it.
    pub fn begin_stop(&self) {
        self.role.begin_stop();
    }

    /// Waits for the current job until `give_up`. Then the job goes back to the queue, and this
    /// attempt does not count. Aborts the worker at `deadline`.
    pub async fn stop(mut self, give_up: Instant, deadline: Instant) {
        if timeout_at(give_up, &mut self.role.task).await.is_err() {
            self.give_up.cancel();
            self.role.stop(deadline).await;
        }
    }
}
