//! # Take turns
//!
//! The store runs three clones behind one address, and the balancer sends every request to the first clone that is up. You
//! would notice on the dashboard: the processor of clone-1 is at 100 % and its requests time out, while clone-2 and clone-3
//! are bored. Then clone-1 dies of it, all its requests move to clone-2, and that is the next to die.
//!
//! *Round robin* is the cure: everybody in turn.
//!
//! ## What must always be true
//!
//! 1. While all clones are up, they get their turns in the order in which they were given, and nobody gets a second one before
//!    all had their first.
//! 2. That holds for all threads together. The balancer has several, and they share one [`RoundRobin`].
//! 3. A clone that is down gets no request, and its turns are shared out among *all* the others.
//! 4. A clone that comes back takes its turns from then on, like everybody. It need not catch up on those that it missed.
//! 5. If nobody is up, there is no turn: `None`, and no panic. What the visitor is told then is the caller's decision.
//!
//! ## Predict
//!
//! Four clones, the second is down, and a balancer "goes on to the next one" when it meets that one. Of 300 requests, how many
//! does each of the others get? Write three numbers down. Then read the third test.
//!
//! ## What to do
//!
//! Give [`RoundRobin`] a memory of whose turn it is, and write [`RoundRobin::pick`]: about ten lines. Everything before it is
//! ready. `cargo workshop check round_robin` shows how far you are; it is red now, and that is right.
//!
//! Left out: weights, counting who is busy, and finding out who is down. The balancer of chapter 1 does more with the same idea:
//! `chapters/01-clones/src/balancer/mod.rs`.

#![warn(missing_docs)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A clone, as the balancer sees it.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    /// Read by every thread that looks for a clone, written by the one that checks their health.
    up: AtomicBool,
}

impl Upstream {
    /// A clone that is up.
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            up: AtomicBool::new(true),
        }
    }

    /// Its name, such as `clone-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be sent a request.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Notes that it is up or down, from now on and for all threads.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }
}

/// Clones that take turns. All threads of the balancer share one value.
#[derive(Debug)]
pub struct RoundRobin {
    upstreams: Vec<Upstream>,
    /// How many turns there were. Atomic, because it is changed through `&self` by many threads.
    turns: AtomicUsize,
}

impl RoundRobin {
    /// These clones take turns, in this order. The list may be empty.
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin {
            upstreams,
            turns: AtomicUsize::new(0),
        }
    }

    /// All clones, up or down, in their order.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    /// The clone that gets the next request, or `None` if none is up.
    pub fn pick(&self) -> Option<&Upstream> {
        // Who is down is not in the list at all, so nobody in particular inherits its turns: everybody moves up.
        let up: Vec<&Upstream> = self
            .upstreams
            .iter()
            .filter(|upstream| upstream.is_up())
            .collect();
        if up.is_empty() {
            // Before the division by the length, which would panic.
            return None;
        }
        // Read and increased in one step. With a `load` and a `store`, two threads could get the same number. `Relaxed`, since no other
        // value has to be seen together with this one. After `usize::MAX` it begins again at 0.
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        Some(up[turn % up.len()])
    }
}
