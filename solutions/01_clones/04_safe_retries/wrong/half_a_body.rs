// Wrong: it forgets that a body which streamed through is gone, and sends what is left of it.
// Says: the next clone would get the other half
#![allow(missing_docs, reason = "documented in the exercise")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use http::Method;

pub const WINDOW: Duration = Duration::from_secs(10);

pub const REQUESTS_PER_REPETITION: usize = 5;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub key: Option<String>,
    pub is_body_kept: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    NotSent,
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GiveUp {
    #[error("a clone may have carried this out, and to do it twice might be wrong")]
    MayBeDone,
    #[error("the body has been sent, and is not there any more")]
    BodyGone,
    #[error("the time for this request is over")]
    TooLate,
    #[error("every clone has been tried")]
    NobodyLeft,
    #[error("too many requests were sent again in the last seconds")]
    NoBudget,
}

#[derive(Debug)]
pub struct Retries {
    clones: usize,
    requests: VecDeque<Instant>,
    repetitions: VecDeque<Instant>,
}

impl Retries {
    pub fn new(clones: usize) -> Self {
        Retries {
            clones,
            requests: VecDeque::new(),
            repetitions: VecDeque::new(),
        }
    }

    pub fn note_request(&mut self, now: Instant) {
        forget(&mut self.requests, now);
        self.requests.push_back(now);
    }

    pub fn again(
        &mut self,
        request: &Request,
        failure: Failure,
        met: &[usize],
        deadline: Instant,
        now: Instant,
    ) -> Result<usize, GiveUp> {
        if failure == Failure::Broken {
            if !is_idempotent(request) {
                return Err(GiveUp::MayBeDone);
            }
        }
        if now >= deadline {
            return Err(GiveUp::TooLate);
        }
        let Some(next) = (0..self.clones).find(|clone| !met.contains(clone)) else {
            return Err(GiveUp::NobodyLeft);
        };
        if failure == Failure::Broken && !self.pay(now) {
            return Err(GiveUp::NoBudget);
        }
        Ok(next)
    }

    fn pay(&mut self, now: Instant) -> bool {
        forget(&mut self.requests, now);
        forget(&mut self.repetitions, now);
        let is_affordable =
            (self.repetitions.len() + 1) * REQUESTS_PER_REPETITION <= self.requests.len();
        if is_affordable {
            self.repetitions.push_back(now);
        }
        is_affordable
    }
}

fn is_idempotent(request: &Request) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        _ => request.key.as_ref().is_some_and(|key| !key.is_empty()),
    }
}

fn forget(times: &mut VecDeque<Instant>, now: Instant) {
    while times
        .front()
        .is_some_and(|time| now.duration_since(*time) >= WINDOW)
    {
        times.pop_front();
    }
}
