//! Whether a clone gets requests: what the balancer has seen of it, and what follows.
//!
//! Two witnesses are heard. *Passive*: requests themselves fail, and after some in a row the clone is ejected for a while that
//! doubles each time (Envoy's outlier detection). *Active*: [`probe`](super::probe) asks the clone how it is, which notices a
//! clone that hangs without costing a visitor anything. A clone is out while either of them says so. That nobody was there is refuted
//! by a good probe; that requests broke off, by a request only. It comes back slowly, because its caches are cold. This is a state machine over given instants and nothing else: it opens no connection and reads no clock.
//!
//! What it may not decide alone is whether a clone *may* leave: at least half have to stay, and only
//! [`members`](super::members) sees them all. A sick clone that had to stay is *spared*. A failure is then passed on
//! to the next clone; a herd that falls upon the last healthy one would be worse.
//!
//! Left out: success rates compared between clones, and latency as a sign of sickness (`peak-ewma` goes around slow clones).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// When a clone is taken out, and how it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthPolicy {
    /// So many failures in a row eject. A refused connection ejects at once: nobody is there, whom one could ask again.
    pub failures: u32,
    /// How long the first ejection lasts. Each one that follows lasts twice as long as the one before.
    #[serde(with = "humantime_serde")]
    pub ejection: Duration,
    /// No ejection lasts longer. After so long without one, the next is a first one again.
    #[serde(with = "humantime_serde")]
    pub longest: Duration,
    /// From its return until a clone gets its full share. It begins with a tenth. Zero switches this off.
    #[serde(with = "humantime_serde")]
    pub slow_start: Duration,
    /// So many failed probes in a row take a clone out.
    pub fall: u32,
    /// So many good probes in a row bring it back.
    pub rise: u32,
}

impl Default for HealthPolicy {
    /// 5 failures; 1 s, doubling up to 10 s; 5 s of slow start; out after 2 bad probes, back after 2 good ones.
    fn default() -> Self {
        HealthPolicy {
            failures: 5,
            ejection: Duration::from_secs(1),
            longest: Duration::from_secs(10),
            slow_start: Duration::from_secs(5),
            fall: 2,
            rise: 2,
        }
    }
}

/// What became of an attempt to get an answer from a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// An answer came. 503 is one too: an honest "not now", which other clones with the same database would give as well.
    Answered,
    /// An answer came, and it was 500, 502 or 504.
    Erred,
    /// No connection could be made.
    Refused,
    /// The connection broke before the answer, or no answer came in time.
    Failed,
    /// The client broke off. That says nothing about the clone.
    Abandoned,
}

/// What the balancer thinks of a clone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It gets its share.
    Up,
    /// It came back, or was added, a moment ago, and gets a growing part of its share.
    SlowStart,
    /// It is sick, but at least half of the clones have to stay.
    Spared,
    /// Its requests failed; it is left out for a while.
    Ejected,
    /// Its probes fail.
    Down,
    /// It gets nothing new, because somebody asked for that.
    Draining,
}

/// The health of one clone.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures_in_a_row: u32,
    ejection: Option<Ejection>,
    /// How often it was ejected without a long time of peace between.
    ejections_in_a_row: u32,
    /// How often it was ejected or taken down, ever.
    pub(super) ejections: u64,
    is_down: bool,
    /// Probes in a row that contradict `is_down`.
    contrary_probes: u32,
    came_back: Option<Instant>,
}

#[derive(Debug)]
struct Ejection {
    until: Instant,
    /// Nobody was there. So trying again is safe for any request: it will not be sent before somebody is.
    was_refused: bool,
}

impl Health {
    /// A clone that is added while others work. It is cold, so it begins slowly.
    pub(super) fn cold(now: Instant) -> Self {
        Health {
            came_back: Some(now),
            ..Health::default()
        }
    }

    pub(super) fn is_out(&self) -> bool {
        self.is_down || self.ejection.is_some()
    }

    pub(super) fn state(&self, policy: &HealthPolicy, now: Instant) -> State {
        match () {
            () if self.is_down => State::Down,
            () if self.ejection.is_some() => State::Ejected,
            () if self.failures_in_a_row >= policy.failures
                || self.contrary_probes >= policy.fall =>
            {
                State::Spared
            }
            () if self.share(policy, now) < 1.0 => State::SlowStart,
            () => State::Up,
        }
    }

    /// The part of its share that it gets now: 0.1 to 1.
    pub(super) fn share(&self, policy: &HealthPolicy, now: Instant) -> f64 {
        match self.came_back {
            Some(since) if now < since + policy.slow_start => {
                let passed = now.saturating_duration_since(since).as_secs_f64()
                    / policy.slow_start.as_secs_f64();
                passed.max(0.1)
            }
            _ => 1.0,
        }
    }

    /// Notes what became of an attempt. `was_trial`: the clone was out when it got the request, so a success brings it back, which
    /// the late answer to an older request must not. `may_go`: enough others would stay.
    pub(super) fn note(
        &mut self,
        outcome: Outcome,
        was_trial: bool,
        may_go: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) {
        match outcome {
            Outcome::Abandoned => {}
            Outcome::Answered => {
                self.failures_in_a_row = 0;
                if was_trial && self.ejection.take().is_some() && !self.is_down {
                    self.came_back = Some(now);
                }
            }
            Outcome::Refused | Outcome::Erred | Outcome::Failed => {
                let was_refused = outcome == Outcome::Refused;
                let failures = if was_refused { policy.failures } else { 1 };
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(failures);
                let is_new =
                    self.ejection.is_none() && may_go && self.failures_in_a_row >= policy.failures;
                if is_new || (self.ejection.is_some() && was_trial) {
                    self.eject(was_refused, policy, now);
                }
            }
        }
    }

    fn eject(&mut self, was_refused: bool, policy: &HealthPolicy, now: Instant) {
        if self
            .came_back
            .is_none_or(|since| now > since + policy.longest)
            && self.ejection.is_none()
        {
            self.ejections_in_a_row = 0;
        }
        self.ejections += u64::from(self.ejection.is_none());
        self.ejections_in_a_row += 1;
        let until = now + self.back_off(policy);
        self.ejection = Some(Ejection { until, was_refused });
    }

    // ANCHOR: back-off
    fn back_off(&self, policy: &HealthPolicy) -> Duration {
        let doublings = self.ejections_in_a_row.saturating_sub(1).min(20);
        (policy.ejection * 2_u32.pow(doublings)).min(policy.longest)
    }
    // ANCHOR_END: back-off

    /// Whether an ejected clone gets this one request, to find out how it is. The others go on avoiding it until that one has
    /// told, or as much time again has passed: a dead machine costs one request a connect time-out, not all.
    ///
    /// `is_safe`: the request may be sent again if it fails. Others wait until nobody can be sure of such a request any more.
    pub(super) fn admits_trial(
        &mut self,
        is_safe: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) -> bool {
        let again = now + self.back_off(policy);
        match &mut self.ejection {
            Some(ejection) if !self.is_down && now >= ejection.until => {
                let may_be_risked =
                    is_safe || ejection.was_refused || now >= ejection.until + policy.longest;
                if may_be_risked {
                    ejection.until = again;
                }
                may_be_risked
            }
            _ => false,
        }
    }

    /// A good probe of a clone that refused connections: what was missing is there again.
    fn believe_that_somebody_is_there(&mut self, is_well: bool, now: Instant) {
        if is_well
            && self
                .ejection
                .take_if(|ejection| ejection.was_refused)
                .is_some()
        {
            self.failures_in_a_row = 0;
            self.came_back = Some(now);
        }
    }

    /// Notes a probe. True if the clone went down with it: whoever waits for its answer may look elsewhere.
    pub(super) fn note_probe(
        &mut self,
        is_well: bool,
        may_go: bool,
        policy: &HealthPolicy,
        now: Instant,
    ) -> bool {
        if is_well != self.is_down {
            self.contrary_probes = 0;
            self.believe_that_somebody_is_there(is_well, now);
            return false;
        }
        self.contrary_probes = self.contrary_probes.saturating_add(1);
        if self.is_down && self.contrary_probes >= policy.rise {
            self.is_down = false;
            self.contrary_probes = 0;
            self.came_back = Some(now);
            self.believe_that_somebody_is_there(true, now);
        } else if !self.is_down
            && self.contrary_probes >= policy.fall
            && (may_go || self.ejection.is_some())
        {
            self.is_down = true;
            self.contrary_probes = 0;
            self.ejections += 1;
            return true;
        }
        false
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
