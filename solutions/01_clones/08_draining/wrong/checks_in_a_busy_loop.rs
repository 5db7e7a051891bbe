// Wrong: it checks the count in a loop, which needs a whole processor for the grace period.
// Says: does it check the count in a loop?
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

#[derive(Clone, Debug, Default)]
pub struct RequestTracker {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    is_draining: bool,
    is_closed: bool,
}

#[derive(Debug)]
pub struct InFlightGuard {
    state: Arc<watch::Sender<State>>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.in_flight -= 1);
    }
}

#[derive(Debug)]
pub struct ResponseBody {
    chunks: mpsc::Receiver<String>,
    guard: Option<InFlightGuard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainOutcome {
    Complete,
    TimedOut(usize),
}

impl ResponseBody {
    pub fn new(chunks: mpsc::Receiver<String>) -> Self {
        ResponseBody {
            chunks,
            guard: None,
        }
    }

    pub async fn next(&mut self) -> Option<String> {
        let chunk = self.chunks.recv().await;
        if chunk.is_none() {
            drop(self.guard.take());
        }
        chunk
    }
}

impl RequestTracker {
    pub fn new() -> Self {
        RequestTracker::default()
    }

    pub fn is_ready(&self) -> bool {
        !self.state.borrow().is_draining
    }

    pub fn start_request(&self) -> Option<InFlightGuard> {
        let is_accepted = self.state.send_if_modified(|state| {
            state.in_flight += usize::from(!state.is_closed);
            !state.is_closed
        });
        is_accepted.then(|| InFlightGuard {
            state: Arc::clone(&self.state),
        })
    }

    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> Option<ResponseBody> {
        let guard = self.start_request()?;
        let mut body = handler.await;
        body.guard = Some(guard);
        Some(body)
    }

    pub async fn drain(&self, delay: Duration, grace_period: Duration) -> DrainOutcome {
        self.state.send_modify(|state| state.is_draining = true);
        time::sleep(delay).await;
        self.state.send_modify(|state| state.is_closed = true);
        let complete = async {
            while self.state.borrow().in_flight > 0 {
                tokio::task::yield_now().await;
            }
        };
        let _ = time::timeout(grace_period, complete).await;
        match self.state.borrow().in_flight {
            0 => DrainOutcome::Complete,
            in_flight => DrainOutcome::TimedOut(in_flight),
        }
    }
}
