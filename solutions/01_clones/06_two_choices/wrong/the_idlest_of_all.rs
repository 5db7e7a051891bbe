// Wrong: it looks at all clones and takes the idlest, and so does every other balancer: they all run to the same one.
// Says: Do all run to the same one, as a herd does?
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand::rngs::SmallRng;

#[derive(Debug)]
pub struct Upstream {
    name: String,
    in_flight: AtomicUsize,
}

impl Upstream {
    pub fn new(name: impl Into<String>) -> Self {
        Upstream {
            name: name.into(),
            in_flight: AtomicUsize::new(0),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub struct TwoChoices {
    upstreams: Vec<Arc<Upstream>>,
    lots: Mutex<SmallRng>,
}

#[derive(Debug)]
pub struct Ticket {
    upstream: Arc<Upstream>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ticket {
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl TwoChoices {
    pub fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        TwoChoices {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            lots: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<Ticket> {
        let count = self.upstreams.len();
        if count == 0 {
            return None;
        }
        let _lots = self
            .lots
            .lock()
            .expect("no code panics while it holds this lock");
        let winner = self
            .upstreams
            .iter()
            .min_by_key(|upstream| upstream.in_flight())?;
        winner.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Ticket {
            upstream: Arc::clone(winner),
        })
    }
}
