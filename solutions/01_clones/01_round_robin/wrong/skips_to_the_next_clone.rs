// Wrong: it skips a clone that is down, so the clone after it gets two turns per round.
// Says: Do all its turns go to the clone after it?
// Breaks: rule 3
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Upstream {
    name: String,
    is_healthy: AtomicBool,
}

impl Upstream {
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            is_healthy: AtomicBool::new(true),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    pub fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
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
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let count = self.upstreams.len();
        (0..count)
            .map(|step| &self.upstreams[(turn + step) % count])
            .find(|upstream| upstream.is_healthy())
    }
}
