// Wrong: all balancers of the program share one number.
// Says: do they share one `static` number?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static TURNS: AtomicUsize = AtomicUsize::new(0);

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
        let turn = TURNS.fetch_add(1, Ordering::Relaxed);
        Some(healthy[turn % healthy.len()])
    }
}
