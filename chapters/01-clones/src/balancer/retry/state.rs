//! The retries of one request: which clones it has tried, and whether it may try another one.

use std::time::Duration;

use http::header::EXPECT;
use http::{Request, request};
use http_body::Body;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::budget::RetryBudget;
use super::policy::is_idempotent;
use super::problems;
use crate::balancer::upstream::{
    Deadline, MAX_REPLAY_BYTES, NoUpstream, ReplayBody, SendError, Timeouts, UploadProgress,
};
use crate::web::problem::Problem;
use crate::web::request_body::RequestBody;

/// Decides after each failed attempt whether the request goes to another clone.
pub(crate) struct RetryState<'a> {
    budget: &'a Mutex<RetryBudget>,
    deadline: Deadline,
    total_timeout: Duration,
    /// A copy of the head, because an attempt consumes the request. `None` if a retry is not safe.
    head: Option<request::Parts>,
    upload: UploadProgress,
    retries_left: u32,
    tried: Vec<u64>,
    /// The next retry has already been taken from the budget.
    is_reserved: bool,
    is_retry: bool,
    /// The failure of the last attempt that may have reached a clone.
    last_failure: Option<Problem>,
}

impl<'a> RetryState<'a> {
    /// Starts the deadline, counts the request in the budget, and returns the first request to
    /// send.
    pub(crate) fn new(
        head: request::Parts,
        body: RequestBody,
        max_attempts: u32,
        timeouts: &Timeouts,
        budget: &'a Mutex<RetryBudget>,
    ) -> (Self, Request<ReplayBody>) {
        budget.lock().record_request(Instant::now());
        let is_small = body.size_hint().lower() <= MAX_REPLAY_BYTES as u64;
        let is_retryable = max_attempts > 1 && is_idempotent(&head) && is_small;
        let body = if head.headers.contains_key(EXPECT) {
            ReplayBody::held(body, is_retryable, timeouts.expect_continue)
        } else {
            ReplayBody::new(body, is_retryable)
        };
        let state = RetryState {
            budget,
            deadline: Deadline::after(timeouts.total),
            total_timeout: timeouts.total,
            head: is_retryable.then(|| head.clone()),
            upload: body.progress(),
            retries_left: max_attempts - 1,
            tried: Vec::new(),
            is_reserved: false,
            is_retry: false,
            last_failure: None,
        };
        (state, Request::from_parts(head, body))
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The ids of the clones that got an attempt.
    pub(crate) fn tried(&self) -> &[u64] {
        &self.tried
    }

    /// Whether a retry is safe after a clone may have seen the request.
    pub(crate) fn is_retryable(&self) -> bool {
        self.head.is_some()
    }

    /// Records that this clone gets the request. True if the attempt is a retry.
    pub(crate) fn begin_attempt(&mut self, upstream_id: u64) -> bool {
        self.tried.push(upstream_id);
        self.is_retry
    }

    /// Takes a retry from the budget, if the request may be retried at all. The next failure uses
    /// it.
    pub(crate) fn reserve_retry(&mut self) -> bool {
        let is_possible = self.is_retryable()
            && self.retries_left > 0
            && !self.deadline.has_passed()
            && self.upload.can_replay();
        self.is_reserved = is_possible && self.budget.lock().take_retry(Instant::now());
        self.is_reserved
    }

    /// The request for the next attempt after a failed one, or the problem that the client gets.
    pub(crate) fn next_request(
        &mut self,
        failure: SendError,
    ) -> Result<Request<ReplayBody>, Problem> {
        match failure {
            SendError::NotSent(_) if self.deadline.has_passed() => {
                Err(self.failure_or(problems::not_sent_in_time(self.total_timeout)))
            }
            SendError::LocalError => Err(self.failure_or(problems::local_error())),
            SendError::HeadTooLarge => Err(problems::head_too_large()),
            // No clone has seen the request, so the next attempt needs no budget.
            SendError::NotSent(request) => Ok(*request),
            SendError::Broken(error) if error.is_user() => {
                Err(problems::request_body_failed(&error))
            }
            SendError::Broken(_) => self.retry(problems::connection_broken()),
            SendError::TimedOut => self.retry(problems::response_timed_out()),
        }
    }

    fn retry(&mut self, failure: Problem) -> Result<Request<ReplayBody>, Problem> {
        let may_retry = self.is_reserved || self.reserve_retry();
        let (true, Some(head), Some(body)) = (may_retry, self.head.clone(), self.upload.replay())
        else {
            return Err(failure);
        };
        if body.is_held() {
            self.upload = body.progress();
        }
        self.is_reserved = false;
        self.is_retry = true;
        self.retries_left -= 1;
        self.last_failure = Some(failure);
        Ok(Request::from_parts(head, body))
    }

    /// The problem that the client gets if no clone can take the request.
    pub(crate) fn no_upstream(&mut self, reason: NoUpstream) -> Problem {
        self.failure_or(problems::no_upstream(reason))
    }

    /// `problem` says that the request was not sent. That is true only if no earlier attempt
    /// reached a clone; otherwise the client gets the failure of that attempt.
    fn failure_or(&mut self, problem: Problem) -> Problem {
        self.last_failure.take().unwrap_or(problem)
    }
}
