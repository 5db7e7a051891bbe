//! The supervisor of a number of clones behind one balancer.
//!
//! Like systemd, Docker or Kubernetes, it starts clones, restarts dead ones
//! ([`restart`](super::restart)), and replaces them for a deploy ([`rollout`](super::rollout)). The
//! list of clones is locked only for moments, never while a clone starts or stops. So a deploy
//! begins at once although a dead clone cannot restart: the deploy may be the repair. A supervisor
//! that is killed takes its clones with it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::artifact::Artifact;
use super::clone_process::{ChildError, CloneProcess};
use crate::balancer::{Balancer, ProbeResult, Upstream, probe_once};

/// The time for one response to the supervisor's own checks.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The time for a clone to stop by itself.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Clones of one release behind a balancer. Dropping it kills them.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) balancer: Arc<Balancer>,
    /// The arguments of every clone of every release, such as `--sessions`.
    common_arguments: Vec<OsString>,
    clones: Mutex<Clones>,
    /// A deploy locks this from its first step to its last, so two deploys never overlap.
    pub(super) deploying: tokio::sync::Mutex<()>,
}

/// The current set of clones.
#[derive(Debug)]
pub(super) struct Clones {
    pub(super) release: Artifact,
    pub(super) running: Vec<SupervisedClone>,
    /// The number of clones started so far. It names the next clone.
    started: u32,
}

#[derive(Debug)]
pub(super) struct SupervisedClone {
    pub(super) process: CloneProcess,
    pub(super) release: Artifact,
}

/// A clone as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningClone {
    /// The clone's name, as in `x-served-by`.
    pub name: String,
    /// The version of its release, as in `x-release`.
    pub release: String,
    /// The address on which it listens.
    pub addr: SocketAddr,
    /// The process id; 0 if the process has ended.
    pub pid: u32,
}

/// Why a clone does not serve requests.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The process did not start.
    #[error(transparent)]
    Process(#[from] ChildError),
    /// The clone runs, but did not become ready in time.
    #[error("{name} of {release} was not ready within {timeout:?}")]
    NotReady {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// The time that it had.
        timeout: Duration,
    },
    /// The clone is ready, but `GET /` fails. It has served no client yet.
    #[error("{name} of {release} failed the smoke test: it is ready, but `GET /` fails")]
    SmokeTest {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
    },
    /// The clone is ready, but too many requests fail.
    #[error("{name} of {release} failed {failed} of {requests} requests")]
    Unhealthy {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// Requests without a response, and requests with a 5xx response.
        failed: u64,
        /// All requests to this clone.
        requests: u64,
    },
    /// The clone was ready, and its process has ended.
    #[error("{name} of {release} has ended ({exit_status})")]
    Ended {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// For example `signal: 9 (SIGKILL)`.
        exit_status: String,
    },
}

impl Supervisor {
    /// Starts `clones` clones of the release in parallel, and adds them to the balancer when all
    /// are ready. Every clone gets `common_arguments`.
    pub async fn start(
        balancer: Arc<Balancer>,
        release: Artifact,
        clones: u32,
        common_arguments: Vec<OsString>,
    ) -> Result<Self, SupervisorError> {
        let supervisor = Supervisor {
            balancer,
            common_arguments,
            clones: Mutex::new(Clones {
                release: release.clone(),
                running: Vec::new(),
                started: clones,
            }),
            deploying: tokio::sync::Mutex::new(()),
        };
        let names: Vec<String> = (1..=clones)
            .map(|number| format!("clone-{number}"))
            .collect();
        let starting = names
            .iter()
            .map(|name| supervisor.start_ready(name, &release, READY_TIMEOUT));
        let running = futures_util::future::try_join_all(starting).await?;
        let upstreams = running.iter().map(SupervisedClone::upstream).collect();
        supervisor.balancer.add_all(upstreams).expect(UNIQUE_NAMES);
        supervisor.clones.lock().running = running;
        Ok(supervisor)
    }

    /// The running clones.
    pub fn running(&self) -> Vec<RunningClone> {
        self.clones()
            .running
            .iter()
            .map(SupervisedClone::running_clone)
            .collect()
    }

    /// The balancer in front of the clones.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// Whether a deploy is in progress.
    pub fn is_deploying(&self) -> bool {
        self.deploying.try_lock().is_err()
    }

    /// Locks the list of clones. The caller must not wait for anything while it holds the lock.
    pub(super) fn clones(&self) -> MutexGuard<'_, Clones> {
        self.clones.lock()
    }

    /// Starts a clone and waits until it is ready. The balancer does not know it yet.
    pub(super) async fn start_ready(
        &self,
        name: &str,
        release: &Artifact,
        timeout: Duration,
    ) -> Result<SupervisedClone, SupervisorError> {
        let mut arguments: Vec<OsString> = ["--release", &release.release().version]
            .map(Into::into)
            .into();
        // The supervisor drains a clone before it stops it, so no deregistration delay is needed.
        arguments.extend(["--notice", "0"].map(Into::into));
        arguments.extend(self.common_arguments.iter().cloned());
        arguments.extend(release.release().arguments.iter().map(Into::into));
        let process = CloneProcess::start(&release.program(), name, &arguments).await?;
        let mut clone = SupervisedClone {
            process,
            release: release.clone(),
        };
        let begin = Instant::now();
        let address = clone.process.address;
        while probe_once(address, "/readyz", CHECK_TIMEOUT).await != ProbeResult::Success {
            if let Some(ended) = clone.ended_error() {
                return Err(ended);
            }
            if begin.elapsed() >= timeout {
                return Err(SupervisorError::NotReady {
                    name: name.to_owned(),
                    release: release.release().version.clone(),
                    timeout,
                });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(clone)
    }

    /// Lets the balancer send requests to the clone.
    pub(super) fn add_to_balancer(&self, clone: &SupervisedClone) {
        self.balancer.add(clone.upstream()).expect(UNIQUE_NAMES);
    }

    /// Lets a clone finish its requests and stops it. Returns whether it finished in time.
    pub(super) async fn drain_from_balancer(
        &self,
        clone: SupervisedClone,
        timeout: Duration,
    ) -> bool {
        let name = clone.process.name.clone();
        let has_finished = tokio::time::timeout(timeout, self.balancer.drain(&name))
            .await
            .is_ok();
        let _ = self.balancer.remove(&name);
        clone.process.stop(STOP_TIMEOUT).await && has_finished
    }

    /// Stops all clones in parallel. The balancer should have stopped before.
    pub async fn stop(self) {
        let stopping = self
            .clones
            .into_inner()
            .running
            .into_iter()
            .map(|clone| clone.process.stop(STOP_TIMEOUT));
        futures_util::future::join_all(stopping).await;
    }
}

/// The balancer rejects only a name that it knows already.
const UNIQUE_NAMES: &str = "every clone gets a new name";

/// The default time for a clone to become ready.
pub(super) const READY_TIMEOUT: Duration = Duration::from_secs(15);

impl Clones {
    pub(super) fn next_name(&mut self) -> String {
        self.started += 1;
        format!("clone-{}", self.started)
    }

    /// The position of the clone of this name. `None` if another clone has replaced it.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.running
            .iter()
            .position(|clone| clone.process.name == name)
    }
}

impl SupervisedClone {
    fn upstream(&self) -> Upstream {
        Upstream::new(&self.process.name, self.process.address)
    }

    /// The error for a clone that has ended.
    pub(super) fn ended_error(&mut self) -> Option<SupervisorError> {
        let exit_status = self.process.exit_status()?.to_string();
        Some(SupervisorError::Ended {
            name: self.process.name.clone(),
            release: self.release.release().version.clone(),
            exit_status,
        })
    }

    fn running_clone(&self) -> RunningClone {
        RunningClone {
            name: self.process.name.clone(),
            release: self.release.release().version.clone(),
            addr: self.process.address,
            pid: self.process.id().unwrap_or_default(),
        }
    }
}
