//! A rolling deploy: the clones are replaced one after the other, and rolled back if the next
//! release fails.
//!
//! The order of the steps is what loses no request:
//!
//! 1. A new clone starts and becomes *ready*.
//! 2. It passes a *smoke test*, one `GET /`, because a broken program can be ready.
//! 3. It gets a small share of the requests (*slow start*), and is *watched* for errors.
//! 4. The old clone is *drained*: it finishes its requests, and then stops.
//!
//! There are never fewer clones than before. For a while both releases serve requests, so each must
//! understand what the other writes, for example in a session.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::artifact::Artifact;
use super::supervisor::{
    CHECK_TIMEOUT, READY_TIMEOUT, STOP_TIMEOUT, SupervisedClone, Supervisor, SupervisorError,
};
use crate::balancer::{HealthState, ProbeResult, probe_once};

/// The time-outs of a deploy, and how many errors it accepts.
#[derive(Clone, Copy, Debug)]
pub struct RolloutPolicy {
    /// The time for a new clone to become ready.
    pub ready_timeout: Duration,
    /// How long a new clone is watched under real requests before the old one is drained.
    pub watch_time: Duration,
    /// The part of its requests that may fail while it is watched, from 0 to 1.
    pub max_error_ratio: f64,
    /// The number of failures that is accepted in any case.
    pub max_errors: u64,
    /// The time for an old clone to finish its requests. Then it is stopped anyway.
    pub drain_timeout: Duration,
}

impl Default for RolloutPolicy {
    fn default() -> Self {
        RolloutPolicy {
            ready_timeout: READY_TIMEOUT,
            watch_time: Duration::from_secs(1),
            max_error_ratio: 0.05,
            max_errors: 2,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// How a deploy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployOutcome {
    /// All clones run the new release.
    Deployed,
    /// The new release failed, and all clones run the old one again.
    RolledBack {
        /// Why the new release failed.
        reason: String,
    },
    /// The new release failed, and the old one did not start again. A person must repair this.
    RollbackFailed {
        /// Why both releases failed.
        reason: String,
    },
    /// Another deploy is in progress. Nothing was changed.
    Busy,
}

impl Supervisor {
    /// Replaces all clones by clones of `next`. It reports each step to `report`, as a line of
    /// text.
    ///
    /// Run it in its own task: a caller that drops the future stops the deploy between two steps,
    /// with clones of both releases.
    pub async fn deploy(
        &self,
        next: &Artifact,
        policy: &RolloutPolicy,
        report: impl Fn(String),
    ) -> DeployOutcome {
        let Ok(_deploying) = self.deploying.try_lock() else {
            return DeployOutcome::Busy;
        };
        let count = self.clones().running.len();
        for index in 0..count {
            let replaced = self.replace(index, next, policy, &report);
            if let Err(error) = replaced.await {
                return self.roll_back(index, policy, &report, &error).await;
            }
        }
        self.clones().release = next.clone();
        DeployOutcome::Deployed
    }

    /// Replaces the first `deployed` clones by clones of the current release, in reverse order.
    async fn roll_back(
        &self,
        deployed: usize,
        policy: &RolloutPolicy,
        report: &impl Fn(String),
        error: &SupervisorError,
    ) -> DeployOutcome {
        let current = self.clones().release.clone();
        let reason = error.to_string();
        let version = &current.release().version;
        report(format!("{reason}; rolling back to {version}"));
        // The current release worked until now, so its clones are not watched again.
        let policy = RolloutPolicy {
            watch_time: Duration::ZERO,
            ..*policy
        };
        for index in (0..deployed).rev() {
            let replaced = self.replace(index, &current, &policy, report);
            if let Err(error) = replaced.await {
                let reason = format!("{reason}; then the rollback failed: {error}");
                return DeployOutcome::RollbackFailed { reason };
            }
        }
        DeployOutcome::RolledBack { reason }
    }

    // ANCHOR: replace
    /// Replaces one clone by a clone of `release`. If the new clone fails, it is stopped, and the
    /// old one has served requests all the time.
    async fn replace(
        &self,
        index: usize,
        release: &Artifact,
        policy: &RolloutPolicy,
        report: &impl Fn(String),
    ) -> Result<(), SupervisorError> {
        let name = self.clones().next_name();
        let version = release.release().version.clone();
        let mut new = self
            .start_ready(&name, release, policy.ready_timeout)
            .await?;
        let smoke_test = probe_once(new.process.address, "/", CHECK_TIMEOUT).await;
        if smoke_test != ProbeResult::Success {
            new.process.stop(STOP_TIMEOUT).await;
            let release = version;
            return Err(SupervisorError::SmokeTest { name, release });
        }
        self.add_to_balancer(&new);
        report(format!("{name} of {version} is ready and gets requests"));
        if let Err(error) = self.watch(&mut new, policy).await {
            self.drain_from_balancer(new, policy.drain_timeout).await;
            return Err(error);
        }
        let old = std::mem::replace(&mut self.clones().running[index], new);
        let (name, version) = (
            old.process.name.clone(),
            old.release.release().version.clone(),
        );
        let begin = Instant::now();
        let has_finished = self.drain_from_balancer(old, policy.drain_timeout).await;
        let took = begin.elapsed().as_millis();
        report(if has_finished {
            format!("{name} of {version} finished its requests and stopped after {took} ms")
        } else {
            format!("{name} of {version} was stopped after {took} ms with unfinished requests")
        });
        Ok(())
    }
    // ANCHOR_END: replace

    /// Watches the errors of a clone that the balancer has just got.
    async fn watch(
        &self,
        clone: &mut SupervisedClone,
        policy: &RolloutPolicy,
    ) -> Result<(), SupervisorError> {
        let begin = Instant::now();
        loop {
            if let Some(error) = clone.ended_error() {
                return Err(error);
            }
            let name = &clone.process.name;
            let status = self
                .balancer
                .status()
                .into_iter()
                .find(|status| status.name == *name);
            if let Some(status) = status {
                let failed = status.failures + status.errors;
                let max_failed =
                    (policy.max_error_ratio * status.requests as f64).max(policy.max_errors as f64);
                let is_out = matches!(
                    status.state,
                    HealthState::Ejected | HealthState::Down | HealthState::Spared
                );
                if is_out || failed as f64 > max_failed {
                    return Err(SupervisorError::Unhealthy {
                        name: name.clone(),
                        release: clone.release.release().version.clone(),
                        failed,
                        requests: status.requests,
                    });
                }
            }
            if begin.elapsed() >= policy.watch_time {
                return Ok(());
            }
            sleep(Duration::from_millis(20).min(policy.watch_time)).await;
        }
    }
}
