//! # Safe retries
//!
//! clone-2 crashes, and the balancer responds with 502 to every client whose request clone-2 had.
//! "Send each request up to three times," says your colleague, "then no client notices." One client
//! notices: a customer pays twice. clone-2 had stored her order and crashed before it could
//! respond. Then clone-3 executed the same order again.
//!
//! A retry is right if the request may be executed twice. This exercise decides *which* request is
//! retried, *where*, and *until when*. The next exercise, `retry_budget`, limits how many retries
//! all requests make together.
//!
//! ## Rules
//!
//! 1. A request that no clone has received ([`Failure::NotSent`]) may be sent to another clone,
//!    whatever its method and its body are. This is the case when a connection is refused.
//! 2. A request that a clone *may* have executed ([`Failure::ConnectionLost`]) is retried only if
//!    it is idempotent: executing it twice has the same effect as executing it once. These are
//!    `GET`, `HEAD`, `OPTIONS`, `PUT` and `DELETE` (RFC 9110, section 9.2.2), and any method with
//!    an idempotency key that is not empty. A method that the balancer does not know is not
//!    idempotent. Method names are case-sensitive, so `get` is such an unknown method.
//! 3. The balancer must also still have the body of that request, even if the request has an
//!    idempotency key.
//! 4. A retry goes to another clone, never to one that this request has tried before.
//! 5. A retry starts before the deadline of the request. At the deadline it is too late. The
//!    deadline covers all attempts together, also those that were not sent.
//! 6. If there are several reasons against a retry, the first one in the order of [`NoRetry`] is
//!    returned. The operator counts the reasons, and the first one says most about the request.
//!
//! ## Predict
//!
//! The balancer sends 1000 orders: `POST` requests without an idempotency key. 50 of them fail with
//! a refused connection, and 50 with a lost connection. How many are retried by these rules? How
//! many could be executed twice if the balancer retried every failure? What are both numbers if
//! each order has an idempotency key? Write four numbers down.
//!
//! ## What to do
//!
//! Write [`Retrier::next_clone`], with a function of your own if you like: about 25 lines. `cargo
//! workshop check safe_retries` runs the tests. They fail now; that is expected.
//!
//! Left out: `TRACE`, which is idempotent too (the tests do not send it), which of the other clones
//! is best (a load-balancing strategy decides), and the response to the client. Chapter 1 has the
//! last two, in `chapters/01-clones/src/balancer/`.

#![warn(missing_docs)]

use std::time::Instant;

use http::Method;

/// What the balancer knows about a request when it decides about a retry.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method. `http` has constants such as `Method::GET`. Any other name is valid too: a
    /// client may send `BUY` or `get`, and each of them is a method of its own.
    pub method: Method,
    /// The value of the `Idempotency-Key` header, if the request has one. The clones execute only
    /// one of several requests with the same key.
    pub idempotency_key: Option<String>,
    /// Whether the balancer has buffered the whole body. It streams a large upload, so after a
    /// failed attempt a part of that body is gone. True if the request has no body.
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
    /// The request has tried each clone.
    #[error("the request has tried every clone")]
    AllTried,
}

/// Decides which requests of a balancer are retried.
#[derive(Debug)]
pub struct Retrier {
    clones: usize,
}

impl Retrier {
    /// For clones with the numbers 0 to `clones - 1`.
    pub fn new(clones: usize) -> Self {
        Retrier { clones }
    }

    /// Returns the clone for the next attempt, after an attempt at `request` has failed.
    ///
    /// `tried` are the clones of all attempts so far, in any order. A clone is in it twice if the
    /// balancer has tried it over two connections. `deadline` is the deadline of the whole request.
    pub fn next_clone(
        &self,
        request: &Request,
        failure: Failure,
        tried: &[usize],
        deadline: Instant,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        // Method and body do not matter if no clone received the request.
        if failure == Failure::ConnectionLost {
            if !is_idempotent(request) {
                return Err(NoRetry::NotIdempotent);
            }
            // Also with a key: the next clone would get only the rest of the body.
            if !request.is_body_buffered {
                return Err(NoRetry::BodyNotBuffered);
            }
        }
        if now >= deadline {
            return Err(NoRetry::DeadlinePassed);
        }
        // Compares with all tried clones, not only the last one. Otherwise a request would go back
        // and forth between two unhealthy clones.
        (0..self.clones)
            .find(|clone| !tried.contains(clone))
            .ok_or(NoRetry::AllTried)
    }
}

/// Whether a second execution of this request has no further effect.
fn is_idempotent(request: &Request) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        // For any other method, also an unknown one, only the client can promise it.
        _ => request
            .idempotency_key
            .as_ref()
            .is_some_and(|key| !key.is_empty()),
    }
}
