//! # Safe retries and the retry budget
//!
//! clone-2 crashes, and the balancer responds with 502 to every client whose request clone-2 had.
//! "Send each request up to three times," says your colleague, "then no client notices." Two things
//! happen. A customer pays twice: clone-2 had stored her order and crashed before it could respond.
//! And on launch day, when all clones are slow, each clone gets three times as many requests. An
//! overload of one hour becomes an outage of a whole night.
//!
//! A retry is right if the request may be executed twice, and if the balancer retries only a few of
//! all requests.
//!
//! ## Rules
//!
//! 1. A request that no clone has received ([`Failure::NotSent`]) may be sent to another clone,
//!    whatever its method is. This is the case when a connection is refused.
//! 2. A request that a clone *may* have executed ([`Failure::ConnectionLost`]) is retried only if
//!    it is idempotent: executing it twice has the same effect as executing it once. These are
//!    `GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE` (RFC 9110, section 9.2.2), and any method with
//!    an idempotency key that is not empty. The balancer must also still have the body.
//! 3. A retry goes to another clone, never to one that this request has tried before.
//! 4. A retry starts before the deadline of the request. The deadline covers all attempts together.
//! 5. Of the requests that arrived within the last [`WINDOW`], the balancer retries at most one in
//!    [`REQUESTS_PER_RETRY`]. This is the *retry budget*: for 100 requests, the clones get at most
//!    120. Quiet times do not save up budget for later.
//! 6. Only a retry that is made uses the budget. A retry after [`Failure::NotSent`] uses none,
//!    because the failed attempt did not load any clone.
//!
//! ## Predict
//!
//! There are four clones, all of them fail, and 100 requests arrive. How many requests do the
//! clones get if the balancer sends each request up to three times? How many with the budget? How
//! many if each retry also counts as a request, and every five requests allow one retry? Write
//! three numbers down.
//!
//! ## What to do
//!
//! Add fields to [`Retrier`], and write [`Retrier::record_request`] and [`Retrier::next_clone`]:
//! about 45 lines. `cargo workshop check safe_retries` runs the tests. They fail now; that is
//! expected.
//!
//! Left out: which of the other clones is best (a load-balancing strategy decides), a minimum
//! number of retries for quiet hours, and the response to the client. Chapter 1 has these, in
//! `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::time::{Duration, Instant};

use http::Method;

/// The budget counts the requests and retries of this time, up to now.
pub const WINDOW: Duration = Duration::from_secs(10);

/// How many requests allow one retry. With 5, retries add at most a fifth to the load.
pub const REQUESTS_PER_RETRY: usize = 5;

/// What the balancer knows about a request when it decides about a retry.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The value of the `Idempotency-Key` header, if the request has one. The clones execute only
    /// one of several requests with the same key.
    pub idempotency_key: Option<String>,
    /// Whether the balancer has buffered the whole body. It streams a large upload, so after a
    /// failed attempt a part of that body is gone.
    pub is_body_buffered: bool,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made. No clone received any part of the request, and the body is
    /// complete.
    NotSent,
    /// The connection was lost before the response. The clone may have executed the request.
    ConnectionLost,
}

/// Why the balancer does not retry a request. If several reasons apply, the first one in this order
/// is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRetry {
    /// A clone may have executed the request, and a second execution may have another effect.
    #[error("a clone may have executed this request, and it is not idempotent")]
    NotIdempotent,
    /// The body was sent and not buffered.
    #[error("the body was sent and not buffered, so it cannot be sent again")]
    BodyNotBuffered,
    /// The deadline of the request has passed.
    #[error("the deadline of this request has passed")]
    DeadlinePassed,
    /// The request has tried each clone once.
    #[error("the request has tried every clone")]
    AllTried,
    /// The budget allows no further retry now.
    #[error("the retry budget is used up; it grows again with the next requests")]
    BudgetExhausted,
}

/// Decides for all requests of a balancer which of them are retried.
#[derive(Debug)]
pub struct Retrier {
    clones: usize,
    // What must the balancer remember, and for how long?
}

impl Retrier {
    /// For clones with the numbers 0 to `clones - 1`.
    pub fn new(clones: usize) -> Self {
        Retrier { clones }
    }

    /// Records that a request from a client arrived at `now`. The balancer calls this once per
    /// request, before the first attempt. `now` never decreases from one call to the next.
    pub fn record_request(&mut self, now: Instant) {
        todo!("remember for the budget that a request arrived at `now`")
    }

    /// Returns the clone for the next attempt, after an attempt at `request` has failed.
    ///
    /// `tried` are the clones of all attempts so far, the last attempt at the end. `deadline` is
    /// the deadline of the whole request.
    pub fn next_clone(
        &mut self,
        request: &Request,
        failure: Failure,
        tried: &[usize],
        deadline: Instant,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        todo!(
            "return a clone that is not in `tried`, and use the budget if this retry needs it; \
             otherwise return the reason"
        )
    }
}
