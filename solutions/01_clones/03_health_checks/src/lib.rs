//! # Health checks
//!
//! clone-2 hangs: it still accepts connections, but it answers no request. One order in three waits
//! until its time-out, until an engineer reads the log. So you write a health check that removes a
//! clone after one failure. The next day the *database* is unavailable for a second. Each clone
//! fails once, and the health check removes all of them: now the health check itself has taken the
//! store down.
//!
//! A balancer has two sources of information. *Probes* (active health checks) ask each clone every
//! second whether it is healthy. *Requests* of clients succeed or fail (passive health checks).
//! This exercise is about probes, and `ejection` is about requests. The balancer must not act on a
//! single failure, and it must not believe that all clones are unhealthy.
//!
//! ## Rules
//!
//! 1. A clone is *down* after [`HealthPolicy::fall`] failed probes in a row. A successful probe
//!    ends the row. Each clone has its own counts.
//! 2. A clone that is down is up again after [`HealthPolicy::rise`] successful probes in a row. A
//!    failed probe ends the row. A clone may always come up.
//! 3. At least half of all clones stay. The balancer does not take a clone down if more than half
//!    of all clones would then be out: down, or *ejected* because their requests failed. A clone
//!    that is ejected is out already. So it may always go down too.
//! 4. A clone that stays because of rule 3 keeps its count, so the balancer checks again at the
//!    clone's next failed probe. It does not check before.
//! 5. Probes and ejections are independent. A successful probe does not end an ejection: a clone
//!    can pass its probes and fail every order. The probes of an ejected clone count as always.
//! 6. The candidates are the clones that are neither down nor ejected, in ascending order.
//!
//! ## Predict
//!
//! There are ten clones, and their database is unavailable for a minute, so all probes fail. How
//! many clones get requests at the end of that minute without rule 3, and how many with it? With
//! three clones, how many may be out at the same time? Write the numbers down.
//!
//! ## What to do
//!
//! Give `CloneHealth` what is missing, and write [`HealthTracker::record_probe`] and
//! [`HealthTracker::candidates`]: about 25 lines. The code needs no clock, no thread and no server.
//! `cargo workshop check health_checks` runs the tests. They fail now; that is expected.
//!
//! Left out: sending the probes, and slow start after a recovery. The balancer of chapter 1 has
//! both, in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]

/// When the probes take a clone down, and when they bring it up again.
#[derive(Clone, Copy, Debug)]
pub struct HealthPolicy {
    /// How many failed probes in a row take a clone down.
    pub fall: u32,
    /// How many successful probes in a row bring a clone up again.
    pub rise: u32,
}

/// What the balancer knows about the health of its clones. Clones are numbered from 0.
#[derive(Debug)]
pub struct HealthTracker {
    policy: HealthPolicy,
    clones: Vec<CloneHealth>,
}

/// The health of one clone. A new clone is healthy.
#[derive(Debug, Default)]
struct CloneHealth {
    /// Whether requests of clients failed and the clone gets none for a while.
    is_ejected: bool,
    /// Whether the probes have taken the clone down.
    is_down: bool,
    /// How many probes in a row contradict `is_down`. One count is enough for both directions.
    contradicting_probes: u32,
}

impl CloneHealth {
    /// Whether the clone gets no requests: it is down, or it is ejected.
    fn is_out(&self) -> bool {
        self.is_down || self.is_ejected
    }
}

impl HealthTracker {
    /// Tracks this number of clones. All of them are healthy.
    pub fn new(clones: usize, policy: HealthPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneHealth::default()).collect();
        HealthTracker { policy, clones }
    }

    /// Records that an ejection of this clone has begun or has ended. The caller decides this from
    /// the results of requests.
    pub fn set_ejected(&mut self, clone: usize, is_ejected: bool) {
        self.clones[clone].is_ejected = is_ejected;
    }

    /// Records the result of a probe of this clone.
    pub fn record_probe(&mut self, clone: usize, is_success: bool) {
        // Before the mutable borrow, because this reads the other clones.
        let may_leave = self.may_leave(clone);
        let health = &mut self.clones[clone];
        if is_success != health.is_down {
            // The probe agrees with the present state, so the row of contradictions ends.
            health.contradicting_probes = 0;
            return;
        }
        health.contradicting_probes += 1;
        // A clone may always come up.
        let (threshold, may_change) = if health.is_down {
            (self.policy.rise, true)
        } else {
            (self.policy.fall, may_leave)
        };
        // `>=`, because the count of a clone that had to stay is above the threshold.
        if health.contradicting_probes >= threshold && may_change {
            health.is_down = !health.is_down;
            health.contradicting_probes = 0;
        }
        // A probe does not change an ejection, because failed requests caused it.
    }

    /// The clones that may get a request, in ascending order.
    pub fn candidates(&self) -> Vec<usize> {
        (0..self.clones.len())
            .filter(|clone| !self.clones[*clone].is_out())
            .collect()
    }

    /// Whether at least half of all clones would stay if this one was out.
    fn may_leave(&self, clone: usize) -> bool {
        let out = self.clones.iter().filter(|health| health.is_out()).count();
        // Counts this clone too. Without the `+ 1`, two of three clones could be out.
        self.clones[clone].is_out() || 2 * (out + 1) <= self.clones.len()
    }
}
