//! # Try again, but not everything
//!
//! clone-2 dies, and the balancer answers 502 to everyone whose request it had. "Try again", says your colleague, "three times, then
//! nobody notices." Two things happen. A customer has paid twice, because clone-2 had carried out her order and died before it could
//! say so. And on the evening of the launch, when all clones were slow, each of them got three times the requests: what had been a
//! bad hour became a night.
//!
//! To try again is right for a request that may be done twice, and as long as few are tried again.
//!
//! ## What must always be true
//!
//! 1. What no clone has seen may be sent to another, whatever it asks for ([`Failure::NotSent`]). So it can be after a refused connection.
//! 2. What a clone *may* have seen ([`Failure::Broken`]) is sent again only if to do it twice is to do it once: `GET`, `HEAD`,
//!    `OPTIONS`, `PUT` and `DELETE` (RFC 9110, section 9.2.2), or any method with an idempotency key that is not empty. And only if its
//!    body is still there.
//! 3. It goes to another clone, and never to one that this request has met before.
//! 4. It goes before the deadline of the request, which is one for all attempts together.
//! 5. Of the requests that came within the last [`WINDOW`], at most one in [`REQUESTS_PER_REPETITION`] is made up for by a repetition
//!    within it. That is the *budget*: of each 100 requests come at most 120 to the clones. Peace saves nothing up for later.
//! 6. Only what is sent again is paid for, and what nobody has seen is free: it has loaded nobody.
//!
//! ## Predict
//!
//! Four clones, all of them sick, and 100 requests. How many do the clones see if the balancer tries three times? And with the budget?
//! And if each repetition counts as a request, of which one in five may be repeated? Write three numbers down.
//!
//! ## What to do
//!
//! Give [`Retries`] its memory, and write [`Retries::note_request`] and [`Retries::again`]: about 45 lines. `cargo workshop check
//! safe_retries` shows how far you are; it is red now, and that is right.
//!
//! Left out: which of the other clones is best (a strategy's work), a minimum for quiet hours, in which one in five is none, and what
//! the client is told. Chapter 1 has these: `chapters/01-clones/src/balancer/retry.rs` and `forward.rs`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

use std::time::{Duration, Instant};

use http::Method;

/// How far back requests and repetitions are counted.
pub const WINDOW: Duration = Duration::from_secs(10);

/// So many requests pay for one repetition: a fifth more load at most.
pub const REQUESTS_PER_REPETITION: usize = 5;

/// What a balancer knows about a request when it decides whether to send it again.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asks for.
    pub method: Method,
    /// The value of its `Idempotency-Key`, if it has that header. Clones carry out all requests with the same key once.
    pub key: Option<String>,
    /// Whether the balancer has kept the body. A large upload streams through, and is gone once its first byte was sent.
    pub is_body_kept: bool,
}

/// How an attempt to get an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made. No clone has seen any of it, and its body is as it was.
    NotSent,
    /// The connection broke before an answer. The clone may have carried the request out, or not.
    Broken,
}

/// Why a request is not sent again. If there are several reasons, it is the first of them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GiveUp {
    /// To send it again might be to do it twice.
    #[error("a clone may have carried this out, and to do it twice might be wrong")]
    MayBeDone,
    /// It was sent, and its body was not kept.
    #[error("the body has been sent, and is not there any more")]
    BodyGone,
    /// Its time is over.
    #[error("the time for this request is over")]
    TooLate,
    /// It has met each clone once.
    #[error("every clone has been tried")]
    NobodyLeft,
    /// Too much was sent again lately.
    #[error("too many requests were sent again in the last seconds")]
    NoBudget,
}

/// Decides for all requests of a balancer which of them are sent again.
#[derive(Debug)]
pub struct Retries {
    clones: usize,
    // What must be remembered, and for how long?
}

impl Retries {
    /// For clones with the numbers 0 to `clones - 1`.
    pub fn new(clones: usize) -> Self {
        Retries { clones }
    }

    /// A request has come from a client. Called once for each, before its first attempt. Calls come in the order of time.
    pub fn note_request(&mut self, now: Instant) {
        todo!("remember that a request came at `now`, for the budget")
    }

    /// An attempt to answer `request` has failed. Returns the clone that gets it next.
    ///
    /// `met` are the clones that it was sent to so far, or should have been, the last one at the end. `deadline` is the end of the time
    /// for the whole request.
    pub fn again(
        &mut self,
        request: &Request,
        failure: Failure,
        met: &[usize],
        deadline: Instant,
        now: Instant,
    ) -> Result<usize, GiveUp> {
        todo!(
            "return a clone that is not in `met`, and pay for it if the budget is needed, or say why not"
        )
    }
}
