//! What the client is told when no attempt gets a response.
//!
//! The status says what may have happened. **502**: the connection broke, and the clone may have
//! acted on the request. **503** with `Retry-After`: the request was not sent. **504**: the time is
//! over, and a clone may still work on the request.

use std::error::Error;
use std::time::Duration;

use http::StatusCode;

use crate::balancer::upstream::NoUpstream;
use crate::web::problem::Problem;
use crate::web::request_body::BodyError;

pub(super) fn connection_broken() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "the connection to the clone broke before the response, and the clone may have acted on \
         the request; check this before you send it again",
    )
}

pub(super) fn response_timed_out() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "the clone did not respond in time, and may still be working on the request; check this \
         before you send it again",
    )
}

pub(super) fn not_sent_in_time(total_timeout: Duration) -> Problem {
    let detail = format!(
        "no clone could be reached within {total_timeout:?}; the request was not sent to a clone"
    );
    Problem::new(StatusCode::GATEWAY_TIMEOUT, detail)
}

pub(super) fn local_error() -> Problem {
    Problem::unavailable(
        "the balancer has no file descriptors, ports or memory left; the request was not sent to a \
         clone, try again in a second",
    )
}

pub(super) fn head_too_large() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "the head of the clone's response is too large for the balancer; the clone has carried out \
         the request",
    )
}

pub(super) fn no_upstream(reason: NoUpstream) -> Problem {
    Problem::unavailable(match reason {
        NoUpstream::AllTried => "no clone can be reached; try again in a second",
        NoUpstream::AllFull => {
            "all clones have reached their limit of requests in flight; try again in a second"
        }
    })
}

/// The client's request body ended with an error.
pub(super) fn request_body_failed(error: &hyper::Error) -> Problem {
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(stalled @ BodyError::Stalled(_)) => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, stalled.to_string())
        }
        _ => Problem::bad_request("the body ended before its announced length"),
    }
}
