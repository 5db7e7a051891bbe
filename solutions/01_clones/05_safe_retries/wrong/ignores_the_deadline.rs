// Wrong: it retries as long as there are clones, after the client has stopped waiting.
// Says: is useless work
// Breaks: rule 5
#![allow(missing_docs, reason = "documented in the exercise")]

use std::time::Instant;

use http::Method;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub idempotency_key: Option<String>,
    pub is_body_buffered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    NotSent,
    ConnectionLost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRetry {
    #[error("a clone may have executed this request, and it is not idempotent")]
    NotIdempotent,
    #[error("the body was sent and not buffered, so it cannot be sent again")]
    BodyNotBuffered,
    #[error("the deadline of this request has passed")]
    DeadlinePassed,
    #[error("the request has tried every clone")]
    AllTried,
}

#[derive(Debug)]
pub struct Retrier {
    clones: usize,
}

impl Retrier {
    pub fn new(clones: usize) -> Self {
        Retrier { clones }
    }

    pub fn next_clone(
        &self,
        request: &Request,
        failure: Failure,
        tried: &[usize],
        deadline: Instant,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        if failure == Failure::ConnectionLost {
            if !is_idempotent(request) {
                return Err(NoRetry::NotIdempotent);
            }
            if !request.is_body_buffered {
                return Err(NoRetry::BodyNotBuffered);
            }
        }
        (0..self.clones)
            .find(|clone| !tried.contains(clone))
            .ok_or(NoRetry::AllTried)
    }
}

fn is_idempotent(request: &Request) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        _ => request
            .idempotency_key
            .as_ref()
            .is_some_and(|key| !key.is_empty()),
    }
}
