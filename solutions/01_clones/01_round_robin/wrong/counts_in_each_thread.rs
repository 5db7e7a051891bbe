// Wrong: each thread counts alone, so all threads begin with the first clone.
// Says: does each thread have a number of its own?
// Breaks: rule 2
#![allow(missing_docs, reason = "documented in the exercise")]

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static TURNS: Cell<usize> = const { Cell::new(0) };
}

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
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin { upstreams }
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
        let turn = TURNS.with(|turns| turns.replace(turns.get().wrapping_add(1)));
        Some(healthy[turn % healthy.len()])
    }
}
