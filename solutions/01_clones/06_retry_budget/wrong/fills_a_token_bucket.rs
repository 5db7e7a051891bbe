// Wrong: each request adds a fifth of a token, and the tokens of a quiet hour never expire.
// Says: Does your code forget older requests?
// Breaks: rule 6
#![allow(missing_docs, reason = "documented in the exercise")]

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
    fifths: usize,
}

impl RetryBudget {
    pub fn new() -> Self {
        RetryBudget::default()
    }

    pub fn record_request(&mut self, now: Instant) {
        self.fifths += 1;
    }

    pub fn allow(
        &mut self,
        decision: Result<usize, NoRetry>,
        failure: Failure,
        now: Instant,
    ) -> Result<usize, NoRetry> {
        if decision.is_err() || failure == Failure::NotSent {
            return decision;
        }
        self.fifths = self
            .fifths
            .checked_sub(REQUESTS_PER_RETRY)
            .ok_or(NoRetry::BudgetExhausted)?;
        decision
    }
}
