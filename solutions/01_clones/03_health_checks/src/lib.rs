//! # Health checks and ejection
//!
//! clone-2 has lost its connection to the database. It still takes requests, and answers every
//! order with status 500: one order in three fails until an engineer reads the log. So you write a
//! health check that removes a clone after one failure. The next day the *database* is unavailable
//! for a second. Each clone fails once, and the health check removes all of them: now the health
//! check itself has taken the store down.
//!
//! A balancer has two sources of information. *Probes* (active health checks) ask each clone every
//! second whether it is healthy. *Requests* of clients succeed or fail (passive health checks). The
//! balancer must not act on a single failure, and it must not believe that all clones are
//! unhealthy.
//!
//! ## Rules
//!
//! 1. A clone is *down* after [`HealthPolicy::fall`] failed probes in a row. It is up again after
//!    [`HealthPolicy::rise`] successful probes in a row.
//! 2. A clone is *ejected* after [`HealthPolicy::max_failures`] failed requests in a row.
//!    An ejection ends after its time, and only then. A successful probe does not end it: a clone
//!    can pass its probes and fail every order. The result of a request that was sent before the
//!    ejection neither ends the ejection nor prolongs it. After the ejection the clone gets
//!    requests again, and its failure count starts at zero.
//! 3. The first ejection lasts [`HealthPolicy::base_ejection`]. Each further one lasts twice as
//!    long as the one before, but never longer than [`HealthPolicy::max_ejection`]. When
//!    `max_ejection` has passed since the end of the last ejection, the next one counts as the
//!    first again.
//! 4. At least half of all clones stay. The balancer neither ejects a clone nor takes it down if
//!    more than half of all clones would then be out (down or ejected). A clone that stays for this
//!    reason keeps its counts, so the balancer checks again at the clone's next failed request or
//!    probe.
//!
//! ## Predict
//!
//! There are ten clones, and their database is unavailable for a minute. How many clones get
//! requests at the end of that minute without rule 4, and how many with it? With three clones, how
//! many may be out at the same time? Write the numbers down.
//!
//! ## What to do
//!
//! Give `CloneHealth` its fields, and write the three methods of [`HealthTracker`]: about 50 lines.
//! The code needs no clock, no thread and no server. The caller passes the time, so the tests are
//! exact and fast. `cargo workshop check health_checks` runs the tests. They fail now; that is
//! expected.
//!
//! Left out: sending the probes, slow start after a recovery, and a single trial request to an
//! ejected clone. The number of clones is fixed here, so at least half of them always stay. If
//! clones can be removed, all that remain may be out. Then the balancer uses them (*fail open*).
//! The balancer of chapter 1 has all of this, in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]

use std::time::{Duration, Instant};

/// When the balancer stops sending requests to a clone, and when it starts again.
#[derive(Clone, Copy, Debug)]
pub struct HealthPolicy {
    /// How many failed probes in a row take a clone down.
    pub fall: u32,
    /// How many successful probes in a row bring a clone up again.
    pub rise: u32,
    /// How many failed requests in a row eject a clone.
    pub max_failures: u32,
    /// How long the first ejection lasts.
    pub base_ejection: Duration,
    /// The longest time that an ejection lasts.
    pub max_ejection: Duration,
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
    /// Whether the probes have taken the clone down.
    is_down: bool,
    /// How many probes in a row contradict `is_down`. One count is enough for both directions.
    contradicting_probes: u32,
    failures_in_a_row: u32,
    /// The last ejection, which may be over. The next one needs its length and its end.
    last_ejection: Option<Ejection>,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    length: Duration,
}

impl CloneHealth {
    /// No event marks the end of an ejection. Each caller compares the end with its own `now`.
    fn is_ejected(&self, now: Instant) -> bool {
        self.last_ejection
            .is_some_and(|ejection| now < ejection.until)
    }

    fn is_out(&self, now: Instant) -> bool {
        self.is_down || self.is_ejected(now)
    }

    fn eject(&mut self, policy: &HealthPolicy, now: Instant) {
        let length = match self.last_ejection {
            // Doubles the last length. A power of the number of ejections would overflow one day.
            Some(last) if now < last.until + policy.max_ejection => {
                (last.length * 2).min(policy.max_ejection)
            }
            _ => policy.base_ejection,
        };
        let until = now + length;
        self.last_ejection = Some(Ejection { until, length });
        // Failures from before the ejection do not count after it.
        self.failures_in_a_row = 0;
    }
}

impl HealthTracker {
    /// Tracks this number of clones. All of them are healthy.
    pub fn new(clones: usize, policy: HealthPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneHealth::default()).collect();
        HealthTracker { policy, clones }
    }

    /// Records the result of a probe of this clone, which ended at `now`. `now` never decreases
    /// from one call of a method to the next.
    pub fn record_probe(&mut self, clone: usize, is_success: bool, now: Instant) {
        // Before the mutable borrow, because this reads the other clones.
        let may_leave = self.may_leave(clone, now);
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

    /// Records that a client's request to this clone ended at `now`.
    pub fn record_request(&mut self, clone: usize, is_success: bool, now: Instant) {
        let may_leave = self.may_leave(clone, now);
        let health = &mut self.clones[clone];
        if health.is_ejected(now) {
            // The request was sent before the ejection, so its result says nothing new.
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

    /// The clones that may get a request at `now`, in ascending order.
    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        (0..self.clones.len())
            .filter(|clone| !self.clones[*clone].is_out(now))
            .collect()
    }

    /// Whether at most half of all clones would be out if this one was.
    fn may_leave(&self, clone: usize, now: Instant) -> bool {
        let others = self
            .clones
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != clone);
        // Counts the clones that are out *now*: an ejection that is over does not count.
        let out = others.filter(|(_, other)| other.is_out(now)).count();
        // Counts this clone too. Without the `+ 1`, two of three clones could be out.
        2 * (out + 1) <= self.clones.len()
    }
}
