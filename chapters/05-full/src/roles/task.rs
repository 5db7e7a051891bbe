//! A role that runs in a task of this process, and how it stops.

use ch04_async::Worker;
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
    pub fn start<F>(run: impl FnOnce(WaitForCancellationFutureOwned) -> F) -> RoleTask
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone().cancelled_owned()));
        RoleTask { stop, task }
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

/// A worker in its own task. It has two signals: take no other job, and give up the current job.
pub struct WorkerTask {
    role: RoleTask,
    give_up: CancellationToken,
}

impl WorkerTask {
    /// Starts the worker.
    pub fn start(worker: Worker) -> WorkerTask {
        let give_up = CancellationToken::new();
        let role = RoleTask::start(|stop| worker.run(stop, give_up.clone().cancelled_owned()));
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
