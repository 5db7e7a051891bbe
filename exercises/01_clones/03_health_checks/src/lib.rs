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
#![allow(dead_code, unused_variables, reason = "delete when finished")]

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
    // What must the balancer remember about a clone from one event to the next?
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
        todo!(
            "take the clone down after `fall` failed probes in a row, unless more than half of all \
             clones would then be out, and bring it up after `rise` successful ones in a row"
        )
    }

    /// Records that a client's request to this clone ended at `now`.
    pub fn record_request(&mut self, clone: usize, is_success: bool, now: Instant) {
        todo!(
            "eject the clone after `max_failures` failed requests in a row, unless more \
             than half of all clones would then be out"
        )
    }

    /// The clones that may get a request at `now`, in ascending order.
    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        todo!("return the clones that are neither down nor ejected")
    }
}
