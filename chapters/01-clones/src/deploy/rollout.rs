//! A rolling deploy: one clone after the other becomes the next version, and all of them the last one again if the next is sick.
//!
//! The order of the steps is what loses no request. A new clone is *ready* before it gets any, and has shown its first page (the *smoke
//! test*), because a program that is broken can be ready. It gets a few at first (*slow start*), and is
//! *watched*: what a test did not find, a tenth of a share of real requests finds. Only then the old one is *drained*, up to the last byte of
//! what it has in flight, and stopped. There are never fewer clones than before. For a while both versions answer, so each must
//! understand what the other one has written, in a session for instance; no tool can do that for you.
//!
//! Left out: all at once beside the old ones (*blue/green*), which needs twice the machines; a share of the visitors for days (*canary*); and
//! schemas of databases, which must change before or after, in steps that both versions bear.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::artifact::Artifact;
use super::supervisor::{ANSWER, Clone, Clones, READY, STOP, Supervisor, SupervisorError};
use crate::balancer::{HealthState, probe_once};

/// How patient a deploy is, and how strict.
#[derive(Clone, Copy, Debug)]
pub struct RolloutPolicy {
    /// How long a new clone may take until it says that it is ready.
    pub ready: Duration,
    /// How long it is watched with real requests before the old one goes.
    pub watch: Duration,
    /// The part of its requests that may fail while it is watched.
    pub tolerated: f64,
    /// So many failures are borne in any case: one lost packet is no reason to go back.
    pub forgiven: u64,
    /// How long an old clone may take for what it has in flight. Then it is cut.
    pub drain: Duration,
}

impl Default for RolloutPolicy {
    /// 15 s to be ready, watched for 1 s, at most 5 % failures and more than two, 30 s to finish.
    fn default() -> Self {
        RolloutPolicy {
            ready: READY,
            watch: Duration::from_secs(1),
            tolerated: 0.05,
            forgiven: 2,
            drain: Duration::from_secs(30),
        }
    }
}

/// How a deploy ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeployOutcome {
    /// All clones are of the new version.
    Everywhere,
    /// All clones are of the old version, as before.
    RolledBack {
        /// What was wrong with the new one.
        because: String,
    },
    /// Neither: the new version was sick, and the old one would not start again. Somebody has to look.
    Stuck {
        /// What was wrong with both.
        because: String,
    },
    /// Another deploy is under way, or a clone is just being started again. Nothing was done.
    Busy,
}

impl Supervisor {
    /// Replaces all clones by those of `next`. Each step is given to `tell`, as a line.
    ///
    /// It must run to its end, so give it a task of its own: a caller who drops the future stops it between two steps, with both versions
    /// at work.
    pub async fn deploy(
        &self,
        next: &Artifact,
        policy: &RolloutPolicy,
        tell: impl Fn(String),
    ) -> DeployOutcome {
        let Some(mut clones) = self.take() else {
            return DeployOutcome::Busy;
        };
        let last = clones.release.clone();
        let to = |release: &Artifact| release.release().version.clone();
        for place in 0..clones.running.len() {
            let Err(error) = self.replace(&mut clones, place, next, policy, &tell).await else {
                continue;
            };
            let because = error.to_string();
            tell(format!("{because}; going back to {}", to(&last)));
            for done in (0..place).rev() {
                // The old version is believed: it was at work a minute ago. It is not watched again.
                let at_once = RolloutPolicy {
                    watch: Duration::ZERO,
                    ..*policy
                };
                if let Err(worse) = self
                    .replace(&mut clones, done, &last, &at_once, &tell)
                    .await
                {
                    let because = format!("{because}; and on the way back: {worse}");
                    return DeployOutcome::Stuck { because };
                }
            }
            return DeployOutcome::RolledBack { because };
        }
        clones.release = next.clone();
        DeployOutcome::Everywhere
    }

    // ANCHOR: replace
    /// Puts a clone of `release` into this place. If it is no good, it is taken out again, and the old one has never left.
    async fn replace(
        &self,
        clones: &mut Clones,
        place: usize,
        release: &Artifact,
        policy: &RolloutPolicy,
        tell: &impl Fn(String),
    ) -> Result<(), SupervisorError> {
        let name = clones.next_name();
        let mut new = self.start_ready(&name, release, policy.ready).await?;
        let version = release.release().version.clone();
        if !probe_once(new.process.address, "/", ANSWER).await {
            new.process.stop(STOP).await;
            return Err(SupervisorError::Smoke {
                name,
                release: version,
            });
        }
        self.add_to_balancer(&new);
        tell(format!("{name} of {version} is ready, and gets requests"));
        if let Err(sick) = self.watch(&mut new, policy).await {
            self.drain_from_balancer(new, policy.drain).await;
            return Err(sick);
        }
        let old = std::mem::replace(&mut clones.running[place], new);
        let (old_name, version) = (
            old.process.name.clone(),
            old.release.release().version.clone(),
        );
        let begin = Instant::now();
        let has_finished = self.drain_from_balancer(old, policy.drain).await;
        let took = begin.elapsed().as_millis();
        tell(if has_finished {
            format!("{old_name} of {version} has finished what it had, and is gone after {took} ms")
        } else {
            format!("{old_name} of {version} had not finished after {took} ms, and was cut")
        });
        Ok(())
    }
    // ANCHOR_END: replace

    /// Looks at a clone that has just been let in.
    async fn watch(
        &self,
        clone: &mut Clone,
        policy: &RolloutPolicy,
    ) -> Result<(), SupervisorError> {
        let begin = Instant::now();
        loop {
            if let Some(ended) = clone.has_ended() {
                return Err(ended);
            }
            let name = &clone.process.name;
            let status = self
                .balancer
                .status()
                .into_iter()
                .find(|status| status.name == *name);
            if let Some(status) = status {
                let failed = status.failures + status.errors;
                let bearable =
                    (policy.tolerated * status.requests as f64).max(policy.forgiven as f64);
                let is_out = matches!(
                    status.state,
                    HealthState::Ejected | HealthState::Down | HealthState::Spared
                );
                if is_out || failed as f64 > bearable {
                    return Err(SupervisorError::Sick {
                        name: name.clone(),
                        release: clone.release.release().version.clone(),
                        failed,
                        requests: status.requests,
                    });
                }
            }
            if begin.elapsed() >= policy.watch {
                return Ok(());
            }
            sleep(Duration::from_millis(20).min(policy.watch)).await;
        }
    }
}
