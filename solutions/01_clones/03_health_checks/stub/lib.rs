//! # Who is sick?
//!
//! clone-2 has lost its connection to the database. It still takes every request, and answers each order with a 500: one order in three
//! fails, until somebody reads the log. So you write a check, and whoever fails once is taken out. The next day the *database* is away
//! for a second. Each clone fails once, each is taken out, and the balancer has nobody left: the check has closed the shop.
//!
//! A balancer has two witnesses. *Probes* ask each clone how it is, every second. *Requests* of visitors fail or do not. It must
//! believe neither at once, and it must not believe them both when they say that everybody is sick.
//!
//! ## What must always be true
//!
//! 1. A clone is *down* after [`Policy::fall`] failed probes in a row, and up again after [`Policy::rise`] good ones in a row.
//! 2. A clone is *ejected* after [`Policy::failures`] failed requests in a row. Time alone ends that, and nothing else does: no probe,
//!    for a clone can say "I am well" and fail every order; and no late answer to a request that it got before. Nor does a late failure
//!    prolong it. Afterwards the clone gets requests again, and its count begins at zero.
//! 3. The first ejection lasts [`Policy::ejection`], each one that follows twice as long as the one before, and none longer than
//!    [`Policy::longest`]. After `longest` without one, counted from the end of the last, the next is a first one again.
//! 4. An ejection never makes it more than half of all clones that are out, be they down or ejected. Who had to stay keeps its
//!    count, so its next failure asks again.
//! 5. If all are out, all are asked (*fail open*). To believe that everybody is sick is worth less than a try.
//!
//! ## Predict
//!
//! Ten clones, and the database behind them is away for a minute. How many clones get requests at the end of that minute if there
//! is no rule 4, and how many with it? And three clones: how many of them may be ejected at once? Write the numbers down.
//!
//! ## What to do
//!
//! Give `Member` its memory, and write the three methods of [`Fleet`]: about 50 lines. There is no clock, no thread and no server in
//! here. Whoever calls says what time it is, which is why the tests can be exact and take no time. `cargo workshop check health_checks`
//! shows how far you are; it is red now, and that is right.
//!
//! Left out: sending the probes, a slow start for those who come back, and letting *one* request find out how an ejected clone is
//! doing. The balancer of chapter 1 has all three: `chapters/01-clones/src/balancer/health.rs`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::time::{Duration, Instant};

/// When a clone is taken out, and when it comes back.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// So many failed probes in a row take a clone down.
    pub fall: u32,
    /// So many good probes in a row bring it up again.
    pub rise: u32,
    /// So many failed requests in a row eject a clone.
    pub failures: u32,
    /// How long the first ejection lasts.
    pub ejection: Duration,
    /// No ejection lasts longer.
    pub longest: Duration,
}

/// What the balancer knows about the health of its clones. They are numbered from 0.
#[derive(Debug)]
pub struct Fleet {
    policy: Policy,
    members: Vec<Member>,
}

/// The health of one clone. In the beginning it is well.
#[derive(Debug, Default)]
struct Member {
    // What must be remembered of a clone, from one event to the next?
}

impl Fleet {
    /// So many clones, all of them well.
    pub fn new(clones: usize, policy: Policy) -> Self {
        let members = (0..clones).map(|_| Member::default()).collect();
        Fleet { policy, members }
    }

    /// A probe of this clone has ended.
    pub fn note_probe(&mut self, clone: usize, is_well: bool) {
        todo!(
            "take the clone down after `fall` bad probes in a row, and up again after `rise` good ones in a row"
        )
    }

    /// A visitor's request to this clone has ended at `now`. Calls come in the order of time.
    pub fn note_request(&mut self, clone: usize, is_well: bool, now: Instant) {
        todo!(
            "eject the clone after `failures` bad requests in a row, unless more than half would be out with it"
        )
    }

    /// Who may be sent a request at `now`, in ascending order.
    pub fn candidates(&self, now: Instant) -> Vec<usize> {
        todo!("return those that are neither down nor ejected, or all if there are none")
    }
}
