// Wrong: it sends each request up to three times, so failing clones get three times the load.
// Says: the clones get 3.00 requests per client request
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use http::Method;

pub const WINDOW: Duration = Duration::from_secs(10);

pub const REQUESTS_PER_RETRY: usize = 5;

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
    #[error("the retry budget is used up; it grows again with the next requests")]
    BudgetExhausted,
}

#[derive(Debug)]
pub struct Retrier {
    clones: usize,
    requests: VecDeque<Instant>,
    retries: VecDeque<Instant>,
}

impl Retrier {
    pub fn new(clones: usize) -> Self {
        Retrier {
            clones,
            requests: VecDeque::new(),
            retries: VecDeque::new(),
        }
    }

    pub fn record_request(&mut self, now: Instant) {
        remove_expired(&mut self.requests, now);
        self.requests.push_back(now);
    }

    pub fn next_clone(
        &mut self,
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
        if now >= deadline {
            return Err(NoRetry::DeadlinePassed);
        }
        let Some(next) = (0..self.clones).find(|clone| !tried.contains(clone)) else {
            return Err(NoRetry::AllTried);
        };
        if tried.len() >= 3 {
            return Err(NoRetry::BudgetExhausted);
        }
        Ok(next)
    }

    fn use_budget(&mut self, now: Instant) -> bool {
        remove_expired(&mut self.requests, now);
        remove_expired(&mut self.retries, now);
        let is_allowed = (self.retries.len() + 1) * REQUESTS_PER_RETRY <= self.requests.len();
        if is_allowed {
            self.retries.push_back(now);
        }
        is_allowed
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

fn remove_expired(times: &mut VecDeque<Instant>, now: Instant) {
    while times
        .front()
        .is_some_and(|time| now.duration_since(*time) >= WINDOW)
    {
        times.pop_front();
    }
}
