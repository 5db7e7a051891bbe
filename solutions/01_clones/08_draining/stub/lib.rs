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
//! 1. A drain starts with "not ready" for the readiness check. The balancer checks only once per
//!    second, so the clone keeps accepting requests for the *deregistration delay*. After the
//!    delay it rejects each new request, and does not run the request's handler.
//! 2. The drain waits for each request in flight: for its handler, and then for its response up to
//!    the last byte of the body. A response without its whole body is half a page.
//! 3. A request also ends when its client disconnects or when its handler panics. The drain does
//!    not wait for these requests.
//! 4. The drain waits at most for the *grace period*, which starts after the deregistration delay.
//!    Then it returns how many requests are still in flight.
//! 5. Checking whether the clone accepts requests and counting the new request are one step. No
//!    request starts uncounted while a drain closes the clone.
//!
//! ## Predict
//!
//! When the deploy starts, a customer with a slow connection is downloading a video of 1 GB. The
//! handler has already returned: it opened the file, and the body is read from the file. Does a
//! server that counts running handlers wait for this download? Another customer closes her laptop
//! during the download: which line of your code runs then?
//!
//! ## What to do
//!
//! Add fields to [`RequestTracker`], [`InFlightGuard`] and [`ResponseBody`], and write the methods:
//! about 45 lines. Tokio's [`watch`](https://docs.rs/tokio/latest/tokio/sync/watch/index.html) or
//! [`Notify`](https://docs.rs/tokio/latest/tokio/sync/struct.Notify.html) wakes tasks that wait.
//! The tests use Tokio's paused time, so they do not wait. `cargo workshop check draining` runs the
//! tests. They fail now; that is expected.
//!
//! Left out: HTTP itself, keep-alive connections without a request, and the signal that starts the
//! drain. Chapter 1 has them in the HTTP server, `chapters/01-clones/src/web/`, and the balancer's
//! side in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use std::time::Duration;

use tokio::sync::mpsc;

/// Counts the requests in flight of a clone, and drains the clone. Cloning the tracker gives
/// another handle to the same state.
#[derive(Clone, Debug, Default)]
pub struct RequestTracker {
    // What state do all handles share, and which task must be woken when it changes?
}

/// One request in flight. The request is counted until this guard is dropped.
#[derive(Debug)]
pub struct InFlightGuard {
    // What must happen when this is dropped, and which trait does it?
}

/// The body of a response, which arrives in chunks. The handler sends the chunks, and the client's
/// connection reads them. If the client disconnects, the body is dropped.
#[derive(Debug)]
pub struct ResponseBody {
    chunks: mpsc::Receiver<String>,
    // What must live as long as the body?
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
        ResponseBody { chunks }
    }

    /// Waits for the next chunk. `None` is the end of the body.
    pub async fn next(&mut self) -> Option<String> {
        self.chunks.recv().await
    }
}

impl RequestTracker {
    /// A tracker that accepts requests, with no request in flight.
    pub fn new() -> Self {
        RequestTracker::default()
    }

    /// The response of `/readyz`: whether the balancer should send requests to this clone.
    pub fn is_ready(&self) -> bool {
        todo!("return false from the start of a drain on")
    }

    /// Starts a request and counts it. Returns `None` if the clone no longer accepts requests.
    pub fn start_request(&self) -> Option<InFlightGuard> {
        todo!("return a guard that is counted until it is dropped, or `None` if closed")
    }

    /// Starts a request, runs its handler, and returns the response's body. If the clone no longer
    /// accepts requests, returns `None` and does not run the handler.
    ///
    /// If the client disconnects while the handler runs, this future is dropped.
    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> Option<ResponseBody> {
        todo!("return the handler's body, and keep the request counted as long as the body lives")
    }

    /// Drains the clone: reports "not ready", accepts requests for `delay` (the deregistration
    /// delay), closes, and waits at most `grace_period` until no request is in flight.
    pub async fn drain(&self, delay: Duration, grace_period: Duration) -> DrainOutcome {
        todo!(
            "return `Complete` when the last request has ended, or the number of requests in \
             flight after the grace period"
        )
    }
}
