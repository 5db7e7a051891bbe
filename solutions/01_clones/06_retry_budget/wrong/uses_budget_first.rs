// Wrong: it looks at the budget before the decision, so orders that are not retried use it up.
// Says: Which check comes last in your code?
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub const WINDOW: Duration = Duration::from_secs(10);

pub const REQUESTS_PER_RETRY: usize = 5;

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

#[derive(Debug, Default)]
pub struct RetryBudget {
    requests: VecDeque<Instant>,
    retries: VecDeque<Instant>,
}

impl RetryBudget {
    pub fn new() -> Self {
        RetryBudget::default()
    }

    pub fn record_request(&mut self, now: Instant) {
        remove_expired(&mut self.requests, now);
        self.requests.push_back(now);
    }

    pub fn allow(
        &mut self,
        decision: Result<usize, NoRetry>,
        failure: Failure,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        if failure == Failure::NotSent {
            return decision;
        }
        remove_expired(&mut self.requests, now);
        remove_expired(&mut self.retries, now);
        if (self.retries.len() + 1) * REQUESTS_PER_RETRY > self.requests.len() {
            return Err(NoRetry::BudgetExhausted);
        }
        self.retries.push_back(now);
        decision
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
