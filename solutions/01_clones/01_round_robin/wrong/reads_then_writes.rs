// Wrong: the counter is atomic, but it is read before the search and written after it, in two steps.
// Says: Can two threads read the same number
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Upstream {
    name: String,
    up: AtomicBool,
}

impl Upstream {
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            up: AtomicBool::new(true),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct RoundRobin {
    upstreams: Vec<Upstream>,
    turns: AtomicUsize,
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin {
            upstreams,
            turns: AtomicUsize::new(0),
        }
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<&Upstream> {
        let count = self.upstreams.len();
        let turn = self.turns.load(Ordering::Relaxed);
        for position in turn..turn + count {
            let upstream = &self.upstreams[position % count];
            if upstream.is_up() {
                self.turns.store(position + 1, Ordering::Relaxed);
                return Some(upstream);
            }
        }
        None
    }
}
