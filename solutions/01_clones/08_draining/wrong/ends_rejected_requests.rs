// Wrong: it creates a guard also for a rejected request, and drops it: the count is too low.
// Says: does a rejected request decrease the count?
// Breaks: rule 3
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
        let guard = InFlightGuard {
            state: Arc::clone(&self.state),
        };
        is_accepted.then_some(guard)
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
        let mut state = self.state.subscribe();
        let complete = async { state.wait_for(|state| state.in_flight == 0).await.map(drop) };
        let _ = time::timeout(grace_period, complete).await;
        match self.state.borrow().in_flight {
            0 => DrainOutcome::Complete,
            in_flight => DrainOutcome::TimedOut(in_flight),
        }
    }
}
