// Wrong: a success does not end the row of a clone that has to stay.
// Says: does a success end the row of a clone that has to stay
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct EjectionPolicy {
    pub max_failures: u32,
    pub base_ejection: Duration,
    pub max_ejection: Duration,
}

#[derive(Debug)]
pub struct EjectionTracker {
    policy: EjectionPolicy,
    clones: Vec<CloneState>,
}

#[derive(Debug, Default)]
struct CloneState {
    is_down: bool,
    failures_in_a_row: u32,
    last_ejection: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    length: Duration,
}

impl CloneState {
    fn is_ejected(&self, now: Instant) -> bool {
        self.last_ejection
            .is_some_and(|ejection| now < ejection.until)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.is_down || self.is_ejected(now)
    }

    fn eject(&mut self, policy: &EjectionPolicy, now: Instant) {
        let length = match self.last_ejection {
            Some(last) if now < last.until + policy.max_ejection => last.length * 2,
            _ => policy.base_ejection,
        };
        let length = length.min(policy.max_ejection);
        let until = now + length;
        self.last_ejection = Some(Ejection { until, length });
        self.failures_in_a_row = 0;
    }
}

impl EjectionTracker {
    pub fn new(clones: usize, policy: EjectionPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneState::default()).collect();
        EjectionTracker { policy, clones }
    }

    pub fn set_down(&mut self, clone: usize, is_down: bool) {
        self.clones[clone].is_down = is_down;
    }

    pub fn record_request(&mut self, clone: usize, is_success: bool, now: Instant) {
        let may_leave = self.may_leave(clone, now);
        let state = &mut self.clones[clone];
        if state.is_ejected(now) {
            return;
        }
        if is_success {
            if state.failures_in_a_row < self.policy.max_failures {
                state.failures_in_a_row = 0;
            }
            return;
        }
        state.failures_in_a_row += 1;
        if state.failures_in_a_row >= self.policy.max_failures && may_leave {
            state.eject(&self.policy, now);
        }
    }

    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        (0..self.clones.len())
            .filter(|clone| !self.clones[*clone].is_out(now))
            .collect()
    }

    fn may_leave(&self, clone: usize, now: Instant) -> bool {
        let out = self.clones.iter().filter(|state| state.is_out(now)).count();
        self.clones[clone].is_out(now) || 2 * (out + 1) <= self.clones.len()
    }
}
