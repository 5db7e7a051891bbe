//! The state machine of one clone's health.
//!
//! A clone is *out* while it is ejected (passive checks) or down (active checks). A successful
//! probe ends an ejection that was caused by a refused connection. An ejection that was caused by
//! failed requests ends only with a successful request. A clone that comes back starts slowly,
//! because its caches are empty.
//!
//! [`UpstreamSet`](crate::balancer::upstream::UpstreamSet) sees all clones and decides whether
//! another clone may leave: at least half must stay. It passes that decision as `may_leave`. An
//! unhealthy clone that must stay is *spared*: the balancer retries its failed requests elsewhere,
//! which costs less than sending the load of all clones to the last healthy one.

use std::time::Duration;

use tokio::time::Instant;

use super::policy::HealthPolicy;
use super::state::{HealthState, Outcome};

/// The smallest part of its share that a clone gets in slow start.
const MIN_SHARE: f64 = 0.1;

/// Tracks the health of one clone.
#[derive(Debug, Default)]
pub(crate) struct HealthTracker {
    consecutive_failures: u32,
    ejection: Option<Ejection>,
    /// Ejections without `max_ejection` of good health between them. Determines the back-off.
    consecutive_ejections: u32,
    /// How often the clone was ejected or marked as down, ever.
    pub(crate) ejections: u64,
    is_down: bool,
    /// Consecutive probes that contradict `is_down`.
    contrary_probes: u32,
    slow_start_began: Option<Instant>,
}

#[derive(Debug)]
struct Ejection {
    until: Instant,
    /// A refused connection caused the ejection. Then a trial is safe for any request: the balancer
    /// sends nothing before it has a connection.
    was_refused: bool,
}

impl HealthTracker {
    /// For a clone that joins running clones. Its caches are empty, so it starts slowly.
    pub(crate) fn with_slow_start(now: Instant) -> Self {
        HealthTracker {
            slow_start_began: Some(now),
            ..HealthTracker::default()
        }
    }

    pub(crate) fn is_out(&self) -> bool {
        self.is_down || self.ejection.is_some()
    }

    pub(crate) fn state(&self, policy: &HealthPolicy, now: Instant) -> HealthState {
        let is_unhealthy =
            self.consecutive_failures >= policy.max_failures || self.contrary_probes >= policy.fall;
        if self.is_down {
            HealthState::Down
        } else if self.ejection.is_some() {
            HealthState::Ejected
        } else if is_unhealthy {
            HealthState::Spared
        } else if self.share(policy, now) < 1.0 {
            HealthState::SlowStart
        } else {
            HealthState::Up
        }
    }

    /// The part of its share that the clone gets now: 0.1 to 1.
    pub(crate) fn share(&self, policy: &HealthPolicy, now: Instant) -> f64 {
        match self.slow_start_began {
            Some(begin) if now < begin + policy.slow_start => {
                let elapsed = now.saturating_duration_since(begin).as_secs_f64();
                (elapsed / policy.slow_start.as_secs_f64()).max(MIN_SHARE)
            }
            _ => 1.0,
        }
    }

    /// Records the outcome of an attempt. `was_trial`: the clone was out when it got the request. A
    /// successful trial brings the clone back; a late response to an older request does not.
    pub(crate) fn record(
        &mut self,
        outcome: Outcome,
        was_trial: bool,
        may_leave: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) {
        match outcome {
            Outcome::Inconclusive => {}
            Outcome::Success => {
                self.consecutive_failures = 0;
                if was_trial && self.ejection.take().is_some() && !self.is_down {
                    self.slow_start_began = Some(now);
                }
            }
            Outcome::ConnectFailed | Outcome::ServerError | Outcome::NoResponse => {
                let was_refused = outcome == Outcome::ConnectFailed;
                let failures = if was_refused { policy.max_failures } else { 1 };
                self.consecutive_failures = self.consecutive_failures.saturating_add(failures);
                // A clone that is down is out already, so its ejection takes no further clone out.
                let is_new = self.ejection.is_none()
                    && (may_leave || self.is_down)
                    && self.consecutive_failures >= policy.max_failures;
                if is_new || (self.ejection.is_some() && was_trial) {
                    self.eject(was_refused, policy, now);
                }
            }
        }
    }

    fn eject(&mut self, was_refused: bool, policy: &HealthPolicy, now: Instant) {
        let was_well_for_long = self
            .slow_start_began
            .is_none_or(|begin| now > begin + policy.max_ejection);
        if was_well_for_long && self.ejection.is_none() {
            self.consecutive_ejections = 0;
        }
        self.ejections += u64::from(self.ejection.is_none());
        self.consecutive_ejections += 1;
        let until = now + self.back_off(policy);
        self.ejection = Some(Ejection { until, was_refused });
    }

    // ANCHOR: back-off
    fn back_off(&self, policy: &HealthPolicy) -> Duration {
        let doublings = self.consecutive_ejections.saturating_sub(1).min(20);
        (policy.base_ejection * 2_u32.pow(doublings)).min(policy.max_ejection)
    }
    // ANCHOR_END: back-off

    /// Whether an ejected clone gets this request as a trial. Only one request tries the clone at a
    /// time: the next one may follow after another back-off, so a dead machine costs one request a
    /// connect time-out and not all requests.
    ///
    /// `is_retryable`: the request can be retried if the trial fails. After `max_ejection` without
    /// a trial, the clone also gets requests that cannot be retried; otherwise it might stay out
    /// for ever.
    pub(crate) fn admits_trial(
        &mut self,
        is_retryable: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) -> bool {
        let next_trial = now + self.back_off(policy);
        match &mut self.ejection {
            Some(ejection) if !self.is_down && now >= ejection.until => {
                let is_admitted = is_retryable
                    || ejection.was_refused
                    || now >= ejection.until + policy.max_ejection;
                if is_admitted {
                    ejection.until = next_trial;
                }
                is_admitted
            }
            _ => false,
        }
    }

    /// Records the result of a probe. True if the clone is down because of it.
    pub(crate) fn record_probe(
        &mut self,
        succeeded: bool,
        may_leave: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) -> bool {
        if succeeded != self.is_down {
            self.contrary_probes = 0;
            if succeeded {
                self.end_refused_ejection(now);
            }
            return false;
        }
        self.contrary_probes = self.contrary_probes.saturating_add(1);
        if self.is_down && self.contrary_probes >= policy.rise {
            self.is_down = false;
            self.contrary_probes = 0;
            self.slow_start_began = Some(now);
            self.end_refused_ejection(now);
        } else if !self.is_down
            && self.contrary_probes >= policy.fall
            && (may_leave || self.ejection.is_some())
        {
            self.is_down = true;
            self.contrary_probes = 0;
            self.ejections += 1;
            return true;
        }
        false
    }

    /// Ends an ejection that was caused by a refused connection: a probe has shown that the clone
    /// accepts connections again.
    fn end_refused_ejection(&mut self, now: Instant) {
        let ended = self.ejection.take_if(|ejection| ejection.was_refused);
        if ended.is_some() {
            self.consecutive_failures = 0;
            self.slow_start_began = Some(now);
        }
    }
}
