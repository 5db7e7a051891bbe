//! # The retry budget
//!
//! The balancer retries only requests that may be executed twice, and each of them at most twice.
//! That looks harmless. On launch day all clones are slow, and requests begin to fail. Each failed
//! request is sent three times, so each clone gets three times as many requests and fails more of
//! them. An overload of one hour becomes an outage of a whole night.
//!
//! A *retry budget* ends this: the balancer retries only a few of all requests. If one clone of ten
//! fails, the budget is enough for every retry. If all clones fail, retries would not help.
//!
//! ## Rules
//!
//! 1. Of the requests that arrived within the last [`WINDOW`], the balancer retries at most one in
//!    [`REQUESTS_PER_RETRY`]. So 4 requests allow no retry, 5 allow one, and 9 allow one.
//! 2. The window *slides*: it always ends now. A request or a retry counts until it is `WINDOW`
//!    old. At exactly that age it does not count any more.
//! 3. A retry does not count as a request, so it allows no further retries: for 100 requests, the
//!    clones get at most 120.
//! 4. Only a retry that is made uses the budget. If another rule forbids the retry, `allow` returns
//!    that reason, with or without a budget. A retry that is made goes to the clone of `decision`.
//! 5. A retry after [`Failure::NotSent`] needs no budget and uses none, because the failed attempt
//!    did not load any clone.
//! 6. Quiet times do not save up budget for later. After a quiet year, the budget is a fifth of
//!    the last ten seconds.
//! 7. The history does not grow from hour to hour, neither while no request fails nor while all
//!    requests fail. So remove what does not count any more. The tests look at the length of the
//!    `Debug` output, which shows the whole history. Leave `derive(Debug)` where it is.
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
//! Add fields to [`RetryBudget`], and write [`RetryBudget::record_request`] and
//! [`RetryBudget::allow`]: about 25 lines. `cargo workshop check retry_budget` runs the tests. They
//! fail now; that is expected.
//!
//! Left out: a minimum number of retries for quiet hours. Chapter 1 has it, in
//! `chapters/01-clones/src/balancer/retry/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::time::{Duration, Instant};

/// The budget counts the requests and retries of this time, up to now.
pub const WINDOW: Duration = Duration::from_secs(10);

/// How many requests allow one retry. With 5, retries add at most a fifth to the load.
pub const REQUESTS_PER_RETRY: usize = 5;

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made. No clone received any part of the request.
    NotSent,
    /// The connection was lost before the response. The clone may have executed the request.
    ConnectionLost,
}

/// Why the balancer does not retry a request.
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
    /// The request has tried each clone.
    #[error("the request has tried every clone")]
    AllTried,
    /// The budget allows no further retry now.
    #[error("the retry budget is used up; it grows again with the next requests")]
    BudgetExhausted,
}

/// Limits the retries of all requests of a balancer together.
#[derive(Debug, Default)]
pub struct RetryBudget {
    // What must the budget remember, and for how long?
}

impl RetryBudget {
    /// For a balancer that starts now. No request has arrived yet.
    pub fn new() -> Self {
        RetryBudget::default()
    }

    /// Records that a request from a client arrived at `now`. The balancer calls this once per
    /// request, before the first attempt.
    ///
    /// `now` never decreases from one call of the budget to the next.
    pub fn record_request(&mut self, now: Instant) {
        todo!("remember for the budget that a request arrived at `now`")
    }

    /// Returns `decision` if the budget allows it, otherwise [`NoRetry::BudgetExhausted`].
    ///
    /// `decision` is what all other rules say about a request whose attempt has failed: the clone
    /// for the next attempt, or why there is none. The balancer makes the retry at `now` if `allow`
    /// returns a clone.
    pub fn allow(
        &mut self,
        decision: Result<usize, NoRetry>,
        failure: Failure,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        todo!("use the budget if this retry is made and needs it; return the decision or an error")
    }
}
