// Wrong: it checks and counts in two steps, and a drain can close the clone in between.
// Says: Can the clone close between your check and your count?
// Breaks: rule 7
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
        if self.state.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.state.request_ended.notify_waiters();
        }
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
        if self.state.in_flight.load(Ordering::SeqCst) == 0 {
            return DrainOutcome::Complete;
        }
        let complete = async {
            loop {
                let request_ended = self.state.request_ended.notified();
                if self.state.in_flight.load(Ordering::SeqCst) == 0 {
                    return;
                }
                request_ended.await;
            }
        };
        let _ = time::timeout(grace_period, complete).await;
        match self.state.in_flight.load(Ordering::SeqCst) {
            0 => DrainOutcome::Complete,
            in_flight => DrainOutcome::TimedOut(in_flight),
        }
    }
}
