//! A site: a number of clones of one release, and the balancer in front of them.
//!
//! It is what systemd, Docker or Kubernetes are elsewhere: it starts clones, starts them again when they die, and replaces them
//! ([`rollout`](super::rollout)). One hand at a time: whoever changes the set of clones holds the lock on it, from the first step to the last.
//!
//! Left out: outliving its own end. A site that is killed takes its clones along, and its release has to be named again.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use super::artifact::Artifact;
use super::clone_process::{CloneProcess, ProcessError};
use crate::balancer::{Balancer, Upstream, probe_once};

/// How often the site looks whether its clones live.
const LOOK: Duration = Duration::from_millis(200);

/// A clone that cannot be started again is tried again after so long.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How long a clone may take for an answer to the site itself.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// How long a clone may take to stop.
pub(super) const STOP: Duration = Duration::from_secs(5);

/// Clones of one release behind a balancer. Dropping it kills them.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) balancer: Arc<Balancer>,
    /// What every clone is told, whichever release it is: where sessions and pictures lie.
    common: Vec<OsString>,
    clones: Mutex<Clones>,
}

/// What runs.
#[derive(Debug)]
pub(super) struct Clones {
    pub(super) release: Artifact,
    pub(super) running: Vec<Clone>,
    /// How many there ever were; the next one's name.
    started: u32,
}

#[derive(Debug)]
pub(super) struct Clone {
    pub(super) process: CloneProcess,
    pub(super) release: Artifact,
}

/// A clone as it is told to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningClone {
    /// As in `x-served-by`.
    pub name: String,
    /// As in `x-release`.
    pub release: String,
    /// Where it listens.
    pub addr: SocketAddr,
    /// The number of its process; 0 if it has just ended.
    pub pid: u32,
}

/// Why a clone is not there.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It runs, and did not become ready.
    #[error("{name} of {release} was not ready within {within:?}")]
    NotReady {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// How long it had.
        within: Duration,
    },
    /// It says that it is ready, and does not show its first page.
    #[error(
        "{name} of {release} is ready, and answers `GET /` with an error; no visitor has met it"
    )]
    Smoke {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
    },
    /// It is ready, and fails.
    #[error("{name} of {release} failed {failed} of {requests} requests")]
    Sick {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// Requests that it did not answer, or answered with an error of its own.
        failed: u64,
        /// Requests that it got.
        requests: u64,
    },
    /// It was ready, and is gone.
    #[error("{name} of {release} has ended ({how})")]
    Ended {
        /// The clone.
        name: String,
        /// Its release.
        release: String,
        /// Such as `signal: 9 (SIGKILL)`.
        how: String,
    },
}

impl Supervisor {
    /// Starts so many clones of the release, side by side, and puts them behind the balancer when they are ready. `common` is what each is told
    /// beside its name.
    pub async fn start(
        balancer: Arc<Balancer>,
        release: Artifact,
        clones: u32,
        common: Vec<OsString>,
    ) -> Result<Self, SupervisorError> {
        let site = Supervisor {
            balancer,
            common,
            clones: Mutex::new(Clones {
                release: release.clone(),
                running: Vec::new(),
                started: clones,
            }),
        };
        let names: Vec<String> = (1..=clones)
            .map(|number| format!("clone-{number}"))
            .collect();
        let starting = names
            .iter()
            .map(|name| site.start_ready(name, &release, READY));
        let running = futures_util::future::try_join_all(starting).await?;
        let upstreams = running.iter().map(Clone::upstream).collect();
        site.balancer.add_all(upstreams).expect(NAMES);
        site.clones.lock().await.running = running;
        Ok(site)
    }

    /// The clones that run.
    pub async fn running(&self) -> Vec<RunningClone> {
        let clones = self.clones.lock().await;
        clones.running.iter().map(Clone::describe).collect()
    }

    /// The balancer in front.
    pub fn balancer(&self) -> &Arc<Balancer> {
        &self.balancer
    }

    /// The clones, for whoever is about to change them. `None`: somebody else is at it.
    pub(super) fn take(&self) -> Option<MutexGuard<'_, Clones>> {
        self.clones.try_lock().ok()
    }

    /// Starts a clone and waits until it says that it is ready. It gets no requests yet.
    pub(super) async fn start_ready(
        &self,
        name: &str,
        release: &Artifact,
        within: Duration,
    ) -> Result<Clone, SupervisorError> {
        let mut arguments: Vec<OsString> = ["--release", &release.release().version]
            .map(Into::into)
            .into();
        // The balancer knows before the clone does that it is to go, so the clone need not announce it.
        arguments.extend(["--notice", "0"].map(Into::into));
        arguments.extend(self.common.iter().cloned());
        arguments.extend(release.release().arguments.iter().map(Into::into));
        let process = CloneProcess::start(&release.program(), name, &arguments).await?;
        let mut clone = Clone {
            process,
            release: release.clone(),
        };
        let begin = Instant::now();
        while !probe_once(clone.process.address, "/readyz", ANSWER).await {
            if let Some(ended) = clone.has_ended() {
                return Err(ended);
            }
            if begin.elapsed() >= within {
                return Err(SupervisorError::NotReady {
                    name: name.to_owned(),
                    release: release.release().version.clone(),
                    within,
                });
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(clone)
    }

    /// Requests may come.
    pub(super) fn add_to_balancer(&self, clone: &Clone) {
        self.balancer.add(clone.upstream()).expect(NAMES);
    }

    /// Lets a clone finish what it has, and stops it. True if it had finished in time.
    pub(super) async fn drain_from_balancer(&self, clone: Clone, within: Duration) -> bool {
        let name = clone.process.name.clone();
        let has_finished = tokio::time::timeout(within, self.balancer.drain(&name))
            .await
            .is_ok();
        let _ = self.balancer.remove(&name);
        clone.process.stop(STOP).await && has_finished
    }

    /// Starts clones again that have died, for ever. Each line about it is given to `tell`.
    pub async fn supervise(&self, tell: impl Fn(String)) {
        loop {
            sleep(LOOK).await;
            let mut clones = self.clones.lock().await;
            for place in 0..clones.running.len() {
                let Some(ended) = clones.running[place].has_ended() else {
                    continue;
                };
                let (name, release) = (clones.next_name(), clones.release.clone());
                tell(format!("{ended}; {name} takes its place"));
                let _ = self.balancer.remove(&clones.running[place].process.name);
                match self.start_ready(&name, &release, READY).await {
                    Ok(clone) => {
                        self.add_to_balancer(&clone);
                        clones.running[place] = clone;
                    }
                    Err(error) => {
                        tell(format!("{error}; trying again"));
                        sleep(BACK_OFF).await;
                    }
                }
            }
        }
    }

    /// Stops all clones, side by side. Requests should have ended before.
    pub async fn stop(self) {
        let stopping = self
            .clones
            .into_inner()
            .running
            .into_iter()
            .map(|clone| clone.process.stop(STOP));
        futures_util::future::join_all(stopping).await;
    }
}

/// Why no clone is refused by the balancer for its name.
const NAMES: &str = "names are given out once";

/// How long a clone may take to be ready, where nobody has said otherwise.
pub(super) const READY: Duration = Duration::from_secs(15);

impl Clones {
    pub(super) fn next_name(&mut self) -> String {
        self.started += 1;
        format!("clone-{}", self.started)
    }
}

impl Clone {
    fn upstream(&self) -> Upstream {
        Upstream::new(&self.process.name, self.process.address)
    }

    /// Tells that it has ended, if it has.
    pub(super) fn has_ended(&mut self) -> Option<SupervisorError> {
        let how = self.process.ended()?.to_string();
        Some(SupervisorError::Ended {
            name: self.process.name.clone(),
            release: self.release.release().version.clone(),
            how,
        })
    }

    fn describe(&self) -> RunningClone {
        RunningClone {
            name: self.process.name.clone(),
            release: self.release.release().version.clone(),
            addr: self.process.address,
            pid: self.process.id().unwrap_or_default(),
        }
    }
}
