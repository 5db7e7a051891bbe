// Wrong: it remembers nothing, so the first clone that is up gets everything.
// Says: what does `pick` remember from one call to the next?
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicBool, Ordering};

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
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin { upstreams }
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<&Upstream> {
        self.upstreams.iter().find(|upstream| upstream.is_up())
    }
}
