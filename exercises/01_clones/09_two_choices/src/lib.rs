//! # The power of two choices
//!
//! One of the store's four machines is old: clone-3 needs ten times as long for each page. With
//! round robin it still gets a quarter of all requests, which is more than it can serve. Its queue
//! grows until the clients give up, while the other three clones are idle.
//!
//! "Then compare all clones, and pick the one with the fewest requests in flight." That works with
//! one balancer, but not with ten. Each balancer counts only its own requests, so all balancers
//! find the same clone idle and send to it at once. This is called the *herd effect*.
//!
//! Pick two clones at random, and take the one with fewer requests in flight. This simple rule
//! is almost as good as comparing all clones, and it causes no herd effect.
//!
//! ## Rules
//!
//! 1. For each request, the balancer draws two *different* clones.
//! 2. Each pair of clones is equally likely.
//! 3. Of the two, the clone with fewer requests in flight gets the request.
//! 4. If both have the same number, either may get it, but over time each clone gets its share.
//! 5. A request is in flight from the pick until its [`InFlightGuard`] is dropped. It does not
//!    matter why: a response, an error, a disconnected client, or a panic.
//! 6. The counts are exact, also when several threads pick and drop at the same time.
//! 7. The same seed draws the same clones, so a test can be repeated. Another seed draws other
//!    clones; each balancer has its own seed.
//! 8. A single clone gets every request. Without any clone, `pick` returns `None`. In neither case
//!    does `pick` panic or loop for ever.
//!
//! ## Predict
//!
//! You throw 10,000 balls into 100 bins: 100 balls per bin on average. How many balls are in the
//! fullest bin if you choose a bin at random for each ball? How many if you draw two bins for each
//! ball and take the emptier one? And with three bins? Write the numbers down, then read the test.
//!
//! ## What to do
//!
//! Write [`TwoChoices::pick`], and let a dropped [`InFlightGuard`] end its request: about 25 lines.
//! `cargo workshop check two_choices` runs the tests. They fail now; that is expected.
//!
//! Left out: weights, clones that are down, and latency, which tells more than the number of
//! requests in flight. Chapter 1 has them all, in `chapters/01-clones/src/balancer/strategy/`.

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
    /// How many requests from this balancer are in flight. All threads change it.
    in_flight: AtomicUsize,
}

impl Upstream {
    /// A clone without requests in flight.
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// The clone's name, such as `clone-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many requests are in flight now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

/// Picks clones. All threads of the balancer share one value.
#[derive(Debug)]
pub struct TwoChoices {
    upstreams: Vec<Arc<Upstream>>,
    /// The random number generator. Drawing changes it, and several threads draw.
    rng: Mutex<SmallRng>,
}

/// One request in flight. The request is counted until this guard is dropped.
#[derive(Debug)]
pub struct InFlightGuard {
    upstream: Arc<Upstream>,
    // What must happen when this is dropped, and which trait does it?
}

impl InFlightGuard {
    /// The clone that got the request.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl TwoChoices {
    /// Picks among these clones. The list may be empty.
    pub fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        TwoChoices {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    /// All clones, in the order of the list.
    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    /// Picks the clone for the next request, and counts the request as in flight from now on.
    /// `None` if there is no clone.
    pub fn pick(&self) -> Option<InFlightGuard> {
        todo!(
            "draw two different clones at random, count the request for the one with fewer \
             requests in flight, and return its guard"
        )
    }
}
