//! # Draining
//!
//! Each deploy stops every clone once. The store deploys at ten in the morning, and a few hundred
//! clients get half a page or no page at that time. The operating system stopped the clone while it
//! was still sending responses, and for another moment the balancer sent it new requests. So the
//! store deploys only at night. That means few deploys, and each deploy has many changes.
//!
//! A clone can stop without any failed request. First it reports that it is not ready, and keeps
//! accepting requests until the balancer has noticed. Then it rejects new requests, finishes those
//! in flight, and exits. This is called *draining*.
//!
//! ## Rules
//!
//! 1. A drain starts with "not ready" for the readiness check. The clone is never ready again.
//! 2. The balancer checks only once per second, so the clone keeps accepting requests for the
//!    *deregistration delay*, even if no request is in flight.
//! 3. After the delay the clone is closed for ever: it rejects each new request, and does not run
//!    the request's handler.
//! 4. The drain waits for each request in flight, also for those that started during the delay: for
//!    the handler, and then for the response up to the last byte of the body. The drain is over as
//!    soon as the last request has ended. The end of a request wakes the drain; the drain does not
//!    check in a loop.
//! 5. A request also ends when its client disconnects or when its handler panics. The drain does
//!    not wait for these requests.
//! 6. The drain waits at most for the *grace period*, which starts after the deregistration delay.
//!    Then it returns how many requests are still in flight at that moment.
//! 7. Checking whether the clone accepts requests and counting the new request are one step. No
//!    request starts uncounted while a drain closes the clone.
//! 8. A second drain, for example after a second signal, waits for the requests in flight too. It
//!    does not open the clone again.
//!
//! ## Predict
//!
//! A clone gets 100 requests per second, and each takes 50 ms. The balancer checks its readiness
//! once per second. How many requests does the clone reject if it closes at once, without a
//! deregistration delay? How long does a drain take with a delay of 2 s and a grace period of 30 s?
//! What changes if one of the requests is a download of five minutes?
//!
//! ## What to do
//!
//! Add fields to the state, and write [`RequestTracker`]'s four methods: about 30 lines. The guard
//! and the body are given; the exercise `in_flight` explains them. The count is in the sender of a
//! Tokio [`watch`](https://docs.rs/tokio/latest/tokio/sync/watch/index.html): a value with a lock,
//! and each change wakes the tasks that wait for it.
//!
//! * `sender.borrow()` reads the value.
//! * `sender.send_modify(closure)` changes the value and wakes the waiting tasks.
//! * `sender.send_if_modified(closure)` does the same, but wakes the tasks only if the closure
//!   returns `true`. It returns what the closure returned.
//! * `sender.subscribe()` returns a receiver.
//! * `receiver.wait_for(condition).await` checks the value now and after each change. It returns
//!   when the condition is true.
//! * `tokio::time::timeout(limit, future).await` is `Err` if the future needs longer than the
//!   limit.
//!
//! A closure runs under the lock. What `borrow` and `wait_for` return holds the lock too, so drop
//! it before you change the value. You may replace the `watch` by something else.
//!
//! The tests use Tokio's paused time, so they do not wait. `cargo workshop check draining` runs the
//! tests. They fail now; that is expected.
//!
//! Left out: HTTP itself, keep-alive connections without a request, and the signal that starts the
//! drain. Chapter 1 has them in the HTTP server, `chapters/01-clones/src/web/`, and the balancer's
//! side in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time;

/// Counts the requests in flight of a clone, and drains the clone. Cloning the tracker gives
/// another handle to the same state.
#[derive(Clone, Debug, Default)]
pub struct RequestTracker {
    /// A `watch` contains a lock and wakes all waiting tasks after each change.
    state: Arc<watch::Sender<State>>,
}

/// What all handles and all guards share. It is under one lock. Otherwise a drain could close the
/// clone between the check of `is_closed` and the count.
#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    is_draining: bool,
    is_closed: bool,
}

/// One request in flight. The request is counted until this guard is dropped.
#[derive(Debug)]
pub struct InFlightGuard {
    state: Arc<watch::Sender<State>>,
}

/// Runs at every possible end of a request: after the last byte, when a disconnected client drops
/// the future or the body, and when a panic unwinds.
impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.state.send_modify(|state| state.in_flight -= 1);
    }
}

/// The body of a response, which arrives in chunks. The handler sends the chunks, and the client's
/// connection reads them. If the client disconnects, the body is dropped.
#[derive(Debug)]
pub struct ResponseBody {
    chunks: mpsc::Receiver<String>,
    /// The guard of this response's request. `None` while the handler runs, because
    /// [`RequestTracker::serve`] holds the guard then, and after the end of the body.
    guard: Option<InFlightGuard>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainOutcome {
    /// No request is in flight any more.
    Complete,
    /// The grace period is over, and this number of requests is still in flight.
    TimedOut(usize),
}

impl ResponseBody {
    /// A body of these chunks. The body ends when the sender is dropped.
    pub fn new(chunks: mpsc::Receiver<String>) -> Self {
        ResponseBody {
            chunks,
            guard: None,
        }
    }

    /// Waits for the next chunk. `None` is the end of the body.
    pub async fn next(&mut self) -> Option<String> {
        let chunk = self.chunks.recv().await;
        if chunk.is_none() {
            // The last byte is sent. The drain need not wait until the empty body is dropped.
            drop(self.guard.take());
        }
        chunk
    }
}

impl RequestTracker {
    /// A tracker that accepts requests, with no request in flight.
    pub fn new() -> Self {
        RequestTracker::default()
    }

    /// The response of `/readyz`: whether the balancer should send requests to this clone.
    pub fn is_ready(&self) -> bool {
        !self.state.borrow().is_draining
    }

    /// Starts a request and counts it. Returns `None` if the clone no longer accepts requests.
    pub fn start_request(&self) -> Option<InFlightGuard> {
        // The check and the count are one step, under the lock of the `watch`.
        let is_accepted = self.state.send_if_modified(|state| {
            state.in_flight += usize::from(!state.is_closed);
            !state.is_closed
        });
        // Only now, because dropping a guard decreases the count.
        is_accepted.then(|| InFlightGuard {
            state: Arc::clone(&self.state),
        })
    }

    /// Starts a request, runs its handler, and returns the response's body. If the clone no longer
    /// accepts requests, returns `None` and does not run the handler.
    ///
    /// If the client disconnects while the handler runs, this future is dropped.
    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> Option<ResponseBody> {
        // Before the handler runs: a closed clone returns here.
        let guard = self.start_request()?;
        let mut body = handler.await;
        // The handler has ended, but the response has not. The guard moves into the body.
        body.guard = Some(guard);
        Some(body)
    }

    /// Drains the clone: reports "not ready", accepts requests for `delay` (the deregistration
    /// delay), closes, and waits at most `grace_period` until no request is in flight.
    pub async fn drain(&self, delay: Duration, grace_period: Duration) -> DrainOutcome {
        self.state.send_modify(|state| state.is_draining = true);
        // The balancer has not noticed yet, so the clone still accepts its requests.
        time::sleep(delay).await;
        self.state.send_modify(|state| state.is_closed = true);
        let mut state = self.state.subscribe();
        // `wait_for` checks before it waits, and again after each change.
        let complete = async { state.wait_for(|state| state.in_flight == 0).await.map(drop) };
        // The result does not matter: only the count decides about the outcome.
        let _ = time::timeout(grace_period, complete).await;
        match self.state.borrow().in_flight {
            0 => DrainOutcome::Complete,
            in_flight => DrainOutcome::TimedOut(in_flight),
        }
    }
}
