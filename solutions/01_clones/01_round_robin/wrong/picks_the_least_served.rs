// Wrong: it picks the clone with the fewest requests so far, so a recovered clone is flooded.
// Says: Does clone-1 make up for the turns it missed
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Mutex;
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
    served: Mutex<Vec<u64>>,
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        let served = Mutex::new(vec![0; upstreams.len()]);
        RoundRobin { upstreams, served }
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<&Upstream> {
        let mut served = self
            .served
            .lock()
            .expect("no code panics while it holds this lock");
        let healthy =
            (0..self.upstreams.len()).filter(|number| self.upstreams[*number].is_healthy());
        let number = healthy.min_by_key(|number| served[*number])?;
        served[number] += 1;
        Some(&self.upstreams[number])
    }
}
