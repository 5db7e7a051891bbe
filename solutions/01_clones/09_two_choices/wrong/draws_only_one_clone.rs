// Wrong: it draws one clone and takes it, however many requests it has in flight.
// Says: Does `pick` draw two new clones each time
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

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
    rng: Mutex<SmallRng>,
}

#[derive(Debug)]
pub struct InFlightGuard {
    upstream: Arc<Upstream>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.upstream.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl InFlightGuard {
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl TwoChoices {
    pub fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        TwoChoices {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
        }
    }

    pub fn upstreams(&self) -> &[Arc<Upstream>] {
        &self.upstreams
    }

    pub fn pick(&self) -> Option<InFlightGuard> {
        let count = self.upstreams.len();
        if count == 0 {
            return None;
        }
        let mut rng = self
            .rng
            .lock()
            .expect("no code panics while it holds this lock");
        let first = rng.random_range(0..count);
        let winner = &self.upstreams[first];
        winner.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(InFlightGuard {
            upstream: Arc::clone(winner),
        })
    }
}
