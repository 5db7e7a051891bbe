//! The interface of all load-balancing strategies.

use std::fmt;

use http::HeaderValue;

use super::candidate::{Candidate, RequestInfo};

// ANCHOR: strategy
/// Chooses a clone for a request.
///
/// The balancer calls it while it holds the lock of the upstream set, which also protects the
/// counts of requests in flight. So a strategy takes `&mut self` and needs no atomics, two requests
/// never decide on the same counts, and a call must be short.
pub trait Strategy: fmt::Debug + Send {
    /// Returns the position, in `candidates`, of the clone that gets the request. There is always
    /// at least one candidate.
    fn pick(&mut self, candidates: &[Candidate<'_>], request: &RequestInfo<'_>) -> usize;

    /// A cookie to set on the response of this clone, so that the client's next requests reach it.
    fn cookie(&self, _clone: &str, _request: &RequestInfo<'_>) -> Option<HeaderValue> {
        None
    }
}
// ANCHOR_END: strategy
