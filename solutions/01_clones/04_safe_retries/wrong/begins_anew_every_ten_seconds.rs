// Wrong: it counts in windows that do not slide, so it spends a whole budget before the end of one, and another after it.
// Says: Does your window slide, or does it begin anew
#![allow(missing_docs, reason = "documented in the exercise")]

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
    window: Option<Instant>,
    requests: usize,
    repetitions: usize,
}

impl Retries {
    pub fn new(clones: usize) -> Self {
        Retries {
            clones,
            window: None,
            requests: 0,
            repetitions: 0,
        }
    }

    pub fn note_request(&mut self, now: Instant) {
        self.turn(now);
        self.requests += 1;
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
            if !request.is_body_kept {
                return Err(GiveUp::BodyGone);
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
        self.turn(now);
        let is_affordable = (self.repetitions + 1) * REQUESTS_PER_REPETITION <= self.requests;
        self.repetitions += usize::from(is_affordable);
        is_affordable
    }

    fn turn(&mut self, now: Instant) {
        if self
            .window
            .is_none_or(|begin| now.duration_since(begin) >= WINDOW)
        {
            self.window = Some(now);
            self.requests = 0;
            self.repetitions = 0;
        }
    }
}

fn is_idempotent(request: &Request) -> bool {
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE => true,
        _ => request.key.as_ref().is_some_and(|key| !key.is_empty()),
    }
}
