//! # The better of two
//!
//! One of the store's four machines is old: clone-3 takes ten times as long for each page. Turns are fair, so it gets a fourth of all
//! requests, which is more than it can do. Its queue grows until the visitors leave, and the other three are bored.
//!
//! "Then ask all of them how many requests they have, and take the one with the fewest." That works, until there are two balancers, and
//! then ten. Each sees its own requests only, all of them find the same clone idle, and all send to it at once: a *herd*.
//!
//! Draw two clones by lot and take the less busy one of these. It sounds like half a solution, and it is nearly all of it.
//!
//! ## What must always be true
//!
//! 1. Two *different* clones are drawn, each pair as often as any other, and the one with fewer requests in flight gets the request. If
//!    they have the same, it may be either, and over time each clone gets its share.
//! 2. A request is in flight from the pick on, and until its [`Ticket`] is dropped, however that comes about: an answer, an error, a
//!    client that leaves, a panic.
//! 3. No count is ever lost or made up, whatever the threads do at the same time.
//! 4. The same seed draws the same lots, so that a test can be repeated. Other seeds draw others: each balancer has its own.
//! 5. One clone alone gets everything, and without any clone there is no pick: `None`, and no panic.
//!
//! ## Predict
//!
//! Throw 10,000 balls into 100 bins: 100 each on average. How many are in the fullest bin if each ball goes into a bin by lot? How many
//! if for each ball two bins are drawn, and it goes into the emptier one? And with three? Write the numbers down, then read the test.
//!
//! ## What to do
//!
//! Write [`TwoChoices::pick`], and have a [`Ticket`] end its request: about 25 lines. `cargo workshop check two_choices` shows how far you
//! are; it is red now, and that is right.
//!
//! Left out: weights, clones that are down, and how long a clone takes, which tells more than how much it has. Chapter 1 has them all in
//! `chapters/01-clones/src/balancer/strategy/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_imports, reason = "delete when finished")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// A clone, as the balancer sees it.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// How many of this balancer's requests it has. Changed by all threads.
    in_flight: AtomicUsize,
}

impl Upstream {
    /// A clone that has nothing to do.
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Its name, such as `clone-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests it has now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// Picks clones. All threads of the balancer share one value.
#[derive(Debug)]
pub struct TwoChoices {
    upstreams: Vec<Arc<Upstream>>,
    /// Draws the lots. Whoever draws changes it, and there are several threads.
    lots: Mutex<SmallRng>,
}

/// A request that a clone has and has not finished.
#[derive(Debug)]
pub struct Ticket {
    upstream: Arc<Upstream>,
    // What has to happen when this is dropped, and which trait says so?
}

impl Ticket {
    /// The clone that has it.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl TwoChoices {
    /// Picks among these. The list may be empty.
    pub fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        TwoChoices {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            lots: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    /// All clones, in the order in which they were given.
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// The clone that gets the next request, which counts as in flight from now on. `None` if there is no clone.
    pub fn pick(&self) -> Option<Ticket> {
        todo!(
            "return a ticket for the less busy one of two different clones, drawn by lot, and count it"
        )
    }
}
