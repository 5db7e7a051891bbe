// Wrong: with a tie it takes the clone that stands first in the list, so while all are idle the last one never gets anything.
// Says: Who gets it when both have the same?
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
        let mut lots = self
            .lots
            .lock()
            .expect("no code panics while it holds this lock");
        let first = lots.random_range(0..count);
        let distance = if count > 1 {
            lots.random_range(1..count)
        } else {
            0
        };
        let mut pair = [first, (first + distance) % count];
        pair.sort_unstable();
        let [first, second] = pair.map(|position| &self.upstreams[position]);
        let winner = if second.in_flight() < first.in_flight() {
            second
        } else {
            first
        };
        winner.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(Ticket {
            upstream: Arc::clone(winner),
        })
    }
}
