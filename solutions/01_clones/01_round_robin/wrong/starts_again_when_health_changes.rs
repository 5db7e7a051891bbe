// Wrong: it starts again with the first clone when the set of healthy clones changes.
// Says: Do the turns start again when the list of healthy clones changes?
// Breaks: rule 5
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
    turns: Mutex<Turns>,
}

#[derive(Debug, Default)]
struct Turns {
    healthy: Vec<usize>,
    next: usize,
}

impl RoundRobin {
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        RoundRobin {
            upstreams,
            turns: Mutex::default(),
        }
    }

    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<&Upstream> {
        let healthy: Vec<usize> = (0..self.upstreams.len())
            .filter(|number| self.upstreams[*number].is_healthy())
            .collect();
        let mut turns = self
            .turns
            .lock()
            .expect("no code panics while it holds this lock");
        if turns.healthy != healthy {
            turns.healthy = healthy;
            turns.next = 0;
        }
        let number = *turns.healthy.get(turns.next)?;
        turns.next = (turns.next + 1) % turns.healthy.len();
        Some(&self.upstreams[number])
    }
}
