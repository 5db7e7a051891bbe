// Wrong: its number has eight bits, so after 256 requests clone-1 gets two turns in a row.
// Says: how far can your number count before it starts again at 0?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

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
    turns: AtomicU8,
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin {
            upstreams,
            turns: AtomicU8::new(0),
        }
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<&Upstream> {
        let healthy: Vec<&Upstream> = self
            .upstreams
            .iter()
            .filter(|upstream| upstream.is_healthy())
            .collect();
        if healthy.is_empty() {
            return None;
        }
        let turn = usize::from(self.turns.fetch_add(1, Ordering::Relaxed));
        Some(healthy[turn % healthy.len()])
    }
}
