//! # Ejection
//!
//! clone-2 has lost its connection to the database. It still takes requests, and answers every
//! order with status 500: one order in three fails until an engineer reads the log. The probes do
//! not help, because they ask for a page without the database, and clone-2 answers them well. Only
//! the *requests* of clients show that clone-2 is broken.
//!
//! So the balancer counts failed requests (passive health checks). It *ejects* a clone whose
//! requests fail: the clone gets no requests for some time, and for longer each time. But the
//! balancer must not act on a single failure, and it must not believe that all clones are
//! unhealthy: if the database itself is away, all clones fail together.
//!
//! ## Rules
//!
//! 1. A clone is ejected after [`EjectionPolicy::max_failures`] failed requests in a row. A
//!    successful request ends the row. Each clone has its own count and its own ejections.
//! 2. An ejection ends after its time, and only then. The result of a request that was sent before
//!    the ejection, and ends during it, neither ends the ejection nor prolongs it.
//! 3. After the ejection the clone gets requests again, and its failure count starts at zero.
//! 4. The first ejection lasts [`EjectionPolicy::base_ejection`]. Each further one lasts twice as
//!    long as the one before. No ejection, not even the first, lasts longer than
//!    [`EjectionPolicy::max_ejection`].
//! 5. When `max_ejection` has passed since the *end* of the last ejection, the next one counts as
//!    the first again.
//! 6. At least half of all clones stay. The balancer does not eject a clone that gets requests if
//!    more than half of all clones would then be out: ejected, or *down* because their probes
//!    failed. A clone that stays for this reason keeps its failure count, so the balancer checks
//!    again at the clone's next failed request. Its next ejection does not get longer because the
//!    clone had to stay.
//! 7. Requests and probes are independent. The probes end no ejection and change no failure count:
//!    a clone can pass its probes and fail every order. The result of a request brings no clone up,
//!    and an ejection does not either.
//! 8. The result of a request to a clone that is down counts as always. Such a clone is out
//!    already, so rule 6 does not stop its ejection. It comes back when it is up *and* its ejection
//!    is over.
//! 9. The candidates are the clones that are neither ejected nor down, in ascending order. If all
//!    clones are out, there is none. What happens then is the caller's decision.
//!
//! ## Predict
//!
//! The first ejection lasts 1 s and the longest 8 s. `max_failures` is 3, and requests come so
//! quickly that 3 failures take no time. clone-2 fails every request. How often does the balancer
//! eject it in the first 60 s, from second 0 to just before second 60? How many requests of clients
//! fail in that minute? And how many if each ejection lasts 1 s? Write the numbers down.
//!
//! ## What to do
//!
//! Write `CloneState::is_ejected`, [`EjectionTracker::record_request`] and
//! [`EjectionTracker::candidates`]: about 25 lines with helper functions of your own. The fields
//! and the length of the next ejection (rules 4 and 5) are given. The code needs no clock, no
//! thread and no server. The caller passes the time, so the tests are exact and fast.
//! `cargo workshop check ejection` runs the tests. They fail now; that is expected.
//!
//! Left out: a single trial request to an ejected clone, and slow start after an ejection. Here the
//! caller says which clones are down, and all of them may be. If no clone is left, the balancer of
//! chapter 1 uses the ejected ones (*fail open*). It has all of this, in
//! `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::time::{Duration, Instant};

/// When the balancer ejects a clone, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct EjectionPolicy {
    /// How many failed requests in a row eject a clone.
    pub max_failures: u32,
    /// How long the first ejection lasts.
    pub base_ejection: Duration,
    /// The longest time that an ejection lasts.
    pub max_ejection: Duration,
}

/// What the balancer has learned from the requests to its clones. Clones are numbered from 0.
#[derive(Debug)]
pub struct EjectionTracker {
    policy: EjectionPolicy,
    clones: Vec<CloneState>,
}

/// The state of one clone. A new clone is neither down nor ejected.
#[derive(Debug, Default)]
struct CloneState {
    /// Whether the clone's probes have failed.
    is_down: bool,
    /// How many requests in a row have failed.
    failures_in_a_row: u32,
    /// The last ejection, which may be over. The next one needs its length and its end.
    last_ejection: Option<Ejection>,
}

/// An ejection of a clone.
#[derive(Clone, Copy, Debug)]
struct Ejection {
    until: Instant,
    length: Duration,
}

impl CloneState {
    /// Whether the clone gets no requests at `now`: it is down, or it is ejected.
    fn is_out(&self, now: Instant) -> bool {
        self.is_down || self.is_ejected(now)
    }

    /// How long an ejection lasts that begins at `now` (rules 4 and 5).
    fn next_length(&self, policy: &EjectionPolicy, now: Instant) -> Duration {
        let length = match self.last_ejection {
            // Doubles the last length. A power of the number of ejections would overflow one day.
            Some(last) if now < last.until + policy.max_ejection => last.length * 2,
            _ => policy.base_ejection,
        };
        // The maximum holds for the first ejection too.
        length.min(policy.max_ejection)
    }

    /// Whether the clone is ejected at `now`.
    fn is_ejected(&self, now: Instant) -> bool {
        todo!("decide from the last ejection; no event marks its end")
    }
}

impl EjectionTracker {
    /// Tracks this number of clones. All of them are healthy.
    pub fn new(clones: usize, policy: EjectionPolicy) -> Self {
        let clones = (0..clones).map(|_| CloneState::default()).collect();
        EjectionTracker { policy, clones }
    }

    /// Records whether this clone is down. The caller calls this after each probe of the clone, so
    /// most calls change nothing.
    pub fn set_down(&mut self, clone: usize, is_down: bool) {
        self.clones[clone].is_down = is_down;
    }

    /// Records that a client's request to this clone ended at `now`. `now` never decreases from one
    /// call of a method to the next.
    pub fn record_request(&mut self, clone: usize, is_success: bool, now: Instant) {
        todo!(
            "eject the clone after `max_failures` failed requests in a row, unless more than half \
             of all clones would then be out"
        )
    }

    /// The clones that may get a request at `now`, in ascending order.
    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        todo!("return the clones that are neither ejected nor down")
    }
}
