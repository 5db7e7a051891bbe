// Wrong: it counts failed probes that are not in a row, so in time each clone goes down.
// Says: does a successful probe end the row?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

#[derive(Clone, Copy, Debug)]
pub struct HealthPolicy {
    pub fall: u32,
    pub rise: u32,
}

#[derive(Debug)]
pub struct HealthTracker {
    policy: HealthPolicy,
    clones: Vec<CloneHealth>,
}

#[derive(Debug, Default)]
struct CloneHealth {
    is_ejected: bool,
    is_down: bool,
    contradicting_probes: u32,
}

impl CloneHealth {
    fn is_out(&self) -> bool {
        self.is_down || self.is_ejected
    }
}

impl HealthTracker {
    pub fn new(clones: usize, policy: HealthPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneHealth::default()).collect();
        HealthTracker { policy, clones }
    }

    pub fn set_ejected(&mut self, clone: usize, is_ejected: bool) {
        self.clones[clone].is_ejected = is_ejected;
    }

    pub fn record_probe(&mut self, clone: usize, is_success: bool) {
        let may_leave = self.may_leave(clone);
        let health = &mut self.clones[clone];
        if is_success != health.is_down {
            if health.is_down {
                health.contradicting_probes = 0;
            }
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

    pub fn candidates(&self) -> Vec<usize> {
        (0..self.clones.len())
            .filter(|clone| !self.clones[*clone].is_out())
            .collect()
    }

    fn may_leave(&self, clone: usize) -> bool {
        let out = self.clones.iter().filter(|health| health.is_out()).count();
        self.clones[clone].is_out() || 2 * (out + 1) <= self.clones.len()
    }
}
