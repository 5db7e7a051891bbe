// Wrong: it ejects whoever fails, so when the database is away nobody is left, and it asks the sick ones again.
// Says: Were all ejected, so that nobody was left?
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub fall: u32,
    pub rise: u32,
    pub failures: u32,
    pub ejection: Duration,
    pub longest: Duration,
}

#[derive(Debug)]
pub struct Fleet {
    policy: Policy,
    members: Vec<Member>,
}

#[derive(Debug, Default)]
struct Member {
    is_down: bool,
    contrary_probes: u32,
    failures_in_a_row: u32,
    last_ejection: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    lasts: Duration,
}

impl Member {
    fn is_ejected(&self, now: Instant) -> bool {
        self.last_ejection
            .is_some_and(|ejection| now < ejection.until)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.is_down || self.is_ejected(now)
    }

    fn eject(&mut self, policy: &Policy, now: Instant) {
        let lasts = match self.last_ejection {
            Some(last) if now < last.until + policy.longest => (last.lasts * 2).min(policy.longest),
            _ => policy.ejection,
        };
        let until = now + lasts;
        self.last_ejection = Some(Ejection { until, lasts });
        self.failures_in_a_row = 0;
    }
}

impl Fleet {
    pub fn new(clones: usize, policy: Policy) -> Self {
        let members = (0..clones).map(|_| Member::default()).collect();
        Fleet { policy, members }
    }

    pub fn note_probe(&mut self, clone: usize, is_well: bool) {
        let member = &mut self.members[clone];
        if is_well != member.is_down {
            member.contrary_probes = 0;
            return;
        }
        member.contrary_probes += 1;
        let threshold = if member.is_down {
            self.policy.rise
        } else {
            self.policy.fall
        };
        if member.contrary_probes >= threshold {
            member.is_down = !member.is_down;
            member.contrary_probes = 0;
        }
    }

    pub fn note_request(&mut self, clone: usize, is_well: bool, now: Instant) {
        let may_go = self.may_go(clone, now);
        let member = &mut self.members[clone];
        if member.is_ejected(now) {
            return;
        }
        if is_well {
            member.failures_in_a_row = 0;
            return;
        }
        member.failures_in_a_row += 1;
        if member.failures_in_a_row >= self.policy.failures && may_go {
            member.eject(&self.policy, now);
        }
    }

    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        let all = 0..self.members.len();
        let well: Vec<usize> = all
            .clone()
            .filter(|clone| !self.members[*clone].is_out(now))
            .collect();
        if well.is_empty() { all.collect() } else { well }
    }

    fn may_go(&self, clone: usize, now: Instant) -> bool {
        let others = self
            .members
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != clone);
        let out = others.filter(|(_, other)| other.is_out(now)).count();
        out < self.members.len()
    }
}
