// Wrong: it waits for one wake-up, which the first request that ends causes, not the last.
// Says: do you check the count again after a wake-up?
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time;

#[derive(Clone, Debug, Default)]
pub struct RequestTracker {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_draining: AtomicBool,
    is_closed: AtomicBool,
    in_flight: AtomicUsize,
    request_ended: Notify,
}

#[derive(Debug)]
pub struct InFlightGuard {
    state: Arc<State>,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.state.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.state.request_ended.notify_waiters();
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
        !self.state.is_draining.load(Ordering::SeqCst)
    }

    pub fn start_request(&self) -> Option<InFlightGuard> {
        if self.state.is_closed.load(Ordering::SeqCst) {
            return None;
        }
        let guard = InFlightGuard {
            state: Arc::clone(&self.state),
        };
        self.state.in_flight.fetch_add(1, Ordering::SeqCst);
        Some(guard)
    }

    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> Option<ResponseBody> {
        let guard = self.start_request()?;
        let mut body = handler.await;
        body.guard = Some(guard);
        Some(body)
    }

    pub async fn drain(&self, delay: Duration, grace_period: Duration) -> DrainOutcome {
        self.state.is_draining.store(true, Ordering::SeqCst);
        time::sleep(delay).await;
        self.state.is_closed.store(true, Ordering::SeqCst);
        let request_ended = self.state.request_ended.notified();
        if self.state.in_flight.load(Ordering::SeqCst) > 0
            && time::timeout(grace_period, request_ended).await.is_ok()
        {
            return DrainOutcome::Complete;
        }
        match self.state.in_flight.load(Ordering::SeqCst) {
            0 => DrainOutcome::Complete,
            in_flight => DrainOutcome::TimedOut(in_flight),
        }
    }
}
