//! # Round robin
//!
//! The store runs three clones behind one address. The load balancer sends every request to the
//! first healthy clone. On the dashboard you see the result: clone-1 uses 100 % of its CPU and its
//! requests time out, while clone-2 and clone-3 are idle. Then clone-1 crashes under the load. All
//! its requests move to clone-2, and clone-2 crashes next.
//!
//! *Round robin* solves this: the clones take turns.
//!
//! ## Rules
//!
//! 1. While all clones are healthy, they take turns in the order of the list, and the first request
//!    goes to the first clone. No clone gets a second request before every other clone got its
//!    first. This holds for any number of requests, and each balancer has its own turns.
//! 2. Rule 1 holds for all threads together. The balancer has several threads, and they share one
//!    [`RoundRobin`].
//! 3. A clone that is down gets no request. Its turns are shared among *all* other clones. While a
//!    clone is healthy, `pick` finds one, also if other threads pick at the same time.
//! 4. A clone that recovers takes its turns again. It does not make up for the turns it missed.
//! 5. The turns go on when the set of healthy clones changes. They do not start again with the
//!    first clone, so each healthy clone gets requests even if another one flaps (goes down and up
//!    again and again).
//! 6. If no clone is healthy, `pick` returns `None` and does not panic. The caller decides what
//!    the client is told.
//!
//! ## Predict
//!
//! There are four clones, and the second is down. When a balancer reaches it, it "goes on to the
//! next one". Of 300 requests, how many does each of the other three clones get? Write three
//! numbers down. Then read the test `all_other_clones_share_the_missed_turns`.
//!
//! ## What to do
//!
//! Add a field to [`RoundRobin`] that remembers whose turn it is, and write [`RoundRobin::pick`]:
//! about ten lines. The rest of the file is complete. `cargo workshop check round_robin` runs the
//! tests. They fail now; that is expected.
//!
//! Left out: weights, requests in flight, and health checks. The balancer of chapter 1 does more
//! with the same idea, in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};

/// A clone, as the balancer sees it.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// Every thread that picks a clone reads this. The health check writes it.
    is_healthy: AtomicBool,
}

impl Upstream {
    /// A healthy clone.
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            is_healthy: AtomicBool::new(true),
        }
    }

    /// The clone's name, such as `clone-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the balancer may send a request to this clone.
    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// Marks the clone as healthy or down, for all threads.
    pub fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
    }
}

/// Clones that take turns. All threads of the balancer share one value.
#[derive(Debug)]
pub struct RoundRobin {
    upstreams: Vec<Upstream>,
    // What must the balancer remember from one request to the next?
}

impl RoundRobin {
    /// The clones take turns in the order of the list. The list may be empty.
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin { upstreams }
    }

    /// All clones, healthy or down, in the order of the list.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// The clone that gets the next request, or `None` if no clone is healthy.
    pub fn pick(&self) -> Option<&Upstream> {
        todo!("return the healthy upstream whose turn it is, or `None` if no upstream is healthy")
    }
}
