// Wrong: it remembers nothing, so the first healthy clone gets every request.
// Says: what does `pick` remember from one call to the next?
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, Ordering};

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
        self.upstreams.iter().find(|upstream| upstream.is_healthy())
    }
}
