// Wrong: rule 4 counts only ejections, so it ejects a clone although half of them are down.
// Says: a clone that is down is out too
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct HealthPolicy {
    pub fall: u32,
    pub rise: u32,
    pub max_failures: u32,
    pub base_ejection: Duration,
    pub max_ejection: Duration,
}

#[derive(Debug)]
pub struct HealthTracker {
    policy: HealthPolicy,
    clones: Vec<CloneHealth>,
}

#[derive(Debug, Default)]
struct CloneHealth {
    is_down: bool,
    contradicting_probes: u32,
    failures_in_a_row: u32,
    last_ejection: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    length: Duration,
}

impl CloneHealth {
    fn is_ejected(&self, now: Instant) -> bool {
        self.last_ejection
            .is_some_and(|ejection| now < ejection.until)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.is_down || self.is_ejected(now)
    }

    fn eject(&mut self, policy: &HealthPolicy, now: Instant) {
        let length = match self.last_ejection {
            Some(last) if now < last.until + policy.max_ejection => {
                (last.length * 2).min(policy.max_ejection)
            }
            _ => policy.base_ejection,
        };
        let until = now + length;
        self.last_ejection = Some(Ejection { until, length });
        self.failures_in_a_row = 0;
    }
}

impl HealthTracker {
    pub fn new(clones: usize, policy: HealthPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneHealth::default()).collect();
        HealthTracker { policy, clones }
    }

    pub fn record_probe(&mut self, clone: usize, is_success: bool, now: Instant) {
        let may_leave = self.may_leave(clone, now);
        let health = &mut self.clones[clone];
        if is_success != health.is_down {
            health.contradicting_probes = 0;
            return;
        }
        health.contradicting_probes += 1;
        let (threshold, may_change) = if health.is_down {
            (self.policy.rise, true)
        } else {
            (self.policy.fall, may_leave)
        };
        if health.contradicting_probes >= threshold && may_change {
            health.is_down = !health.is_down;
            health.contradicting_probes = 0;
        }
    }

    pub fn record_request(&mut self, clone: usize, is_success: bool, now: Instant) {
        let may_leave = self.may_leave(clone, now);
        let health = &mut self.clones[clone];
        if health.is_ejected(now) {
            return;
        }
        if is_success {
            health.failures_in_a_row = 0;
            return;
        }
        health.failures_in_a_row += 1;
        if health.failures_in_a_row >= self.policy.max_failures && may_leave {
            health.eject(&self.policy, now);
        }
    }

    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        (0..self.clones.len())
            .filter(|clone| !self.clones[*clone].is_out(now))
            .collect()
    }

    fn may_leave(&self, clone: usize, now: Instant) -> bool {
        let others = self
            .clones
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != clone);
        let out = others.filter(|(_, other)| other.is_ejected(now)).count();
        2 * (out + 1) <= self.clones.len()
    }
}
