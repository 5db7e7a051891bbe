//! # Requests in flight
//!
//! Before a deploy stops a clone, the operator asks: does the clone still have work? The store's
//! clones answer with a count that goes up when a handler starts and down when it returns. The
//! count says 0, so the clone stops. In that moment 40 customers get half a page: their handlers
//! had returned, but their responses were still being sent.
//!
//! The next version counts down after the last byte. Now the count never reaches 0 again: each
//! customer who closes the laptop during a download stays counted for ever.
//!
//! The number of requests that have started and have not ended is called *requests in flight*. A
//! clone needs it to stop without a failed request, and a balancer needs it to find the least busy
//! clone. A value that counts as long as it exists, a *guard*, makes the count exact.
//!
//! ## Rules
//!
//! 1. A request is in flight from `start_request` until its [`InFlightGuard`] is dropped. It is
//!    counted exactly once, and all handles of the counter show the same number.
//! 2. `serve` counts the request before its handler runs, and the whole time that the handler runs.
//! 3. The request is still in flight after the handler, until the last byte of its response's body
//!    is sent. A response without its whole body is half a page.
//! 4. The request ends when [`ResponseBody::next`] has returned `None`, the end of the body. It
//!    ends then even if the empty body is kept, and it ends only once.
//! 5. A request also ends when its client disconnects: the future of `serve` is dropped while the
//!    handler runs, or the body is dropped before its end.
//! 6. A request also ends when its handler panics.
//! 7. The count is exact, also when several threads start and end requests at the same time. No
//!    change gets lost.
//!
//! ## Predict
//!
//! A customer with a slow connection is downloading a video of 1 GB. The handler has already
//! returned: it opened the file, and the body is read from the file. How many requests are in
//! flight for a server that counts running handlers, and how many in truth? Another customer closes
//! her laptop during the download: which line of your code runs then?
//!
//! ## What to do
//!
//! The count is given: one number that all handles share. Add fields to [`InFlightGuard`] and
//! [`ResponseBody`], and write the methods: about 25 lines. `cargo workshop check in_flight` runs
//! the tests. They fail now; that is expected.
//!
//! Left out: HTTP itself, and stopping the clone, which is the exercise `draining`.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// Counts the requests in flight of a clone. Cloning the counter gives another handle to the same
/// count.
#[derive(Clone, Debug, Default)]
pub struct RequestCounter {
    /// One number for all handles and guards. Several threads can change it at the same time.
    in_flight: Arc<AtomicUsize>,
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
    /// The receiving end of a channel. `recv` waits for the next chunk, and returns `None` after
    /// the last one, when the sender is dropped.
    chunks: mpsc::Receiver<String>,
    // What must live as long as the body?
}

impl ResponseBody {
    /// A body of these chunks. The body ends when the sender is dropped. The handler calls this,
    /// so the body does not know its request yet.
    pub fn new(chunks: mpsc::Receiver<String>) -> Self {
        ResponseBody { chunks }
    }

    /// Waits for the next chunk. `None` is the end of the body: the last byte is sent.
    pub async fn next(&mut self) -> Option<String> {
        todo!("return the next chunk, and end the request at the end of the body")
    }
}

impl RequestCounter {
    /// A counter without requests in flight.
    pub fn new() -> Self {
        RequestCounter::default()
    }

    /// How many requests are in flight now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Starts a request and counts it.
    pub fn start_request(&self) -> InFlightGuard {
        todo!("count the request, and return a guard that is counted until it is dropped")
    }

    /// Starts a request, runs its handler, and returns the response's body.
    ///
    /// If the client disconnects while the handler runs, this future is dropped.
    pub async fn serve(&self, handler: impl Future<Output = ResponseBody>) -> ResponseBody {
        todo!("return the handler's body, and keep the request counted as long as the body lives")
    }
}
