//! What a strategy sees: the clones that may get a request, and the request.

use std::time::Duration;

use http::HeaderMap;

/// A clone that may get the request.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Grows with each clone that is added, and is never used again.
    pub id: u64,
    /// The clone's name. Unlike the id, it stays the same when the balancer restarts.
    pub name: &'a str,
    /// The clone's capacity, compared with the other clones. At least 1.
    pub weight: u32,
    /// Requests in flight, counted to the last byte of the response.
    pub in_flight: usize,
    /// Expected time to the head of a response. See
    /// [`LatencyEstimate`](super::latency::LatencyEstimate).
    pub latency: Duration,
}

impl Candidate<'_> {
    /// Requests in flight per unit of weight, if the clone gets the request.
    pub(super) fn load(&self) -> f64 {
        (self.in_flight + 1) as f64 / f64::from(self.weight)
    }
}

/// The parts of a request that a strategy may use.
#[derive(Clone, Copy, Debug)]
pub struct RequestInfo<'a> {
    /// Path and query, as the client sent them.
    pub path: &'a str,
    /// The request's header fields.
    pub headers: &'a HeaderMap,
}

/// The position of the candidate with the lowest `cost`. Candidates with equal cost take turns: the
/// first one whose id is greater than `last` wins, or else the first of all.
pub(super) fn cheapest<'a>(
    candidates: &[Candidate<'a>],
    last: Option<u64>,
    cost: impl Fn(&Candidate<'a>) -> f64,
) -> usize {
    let rank = |candidate: &Candidate<'a>| (Some(candidate.id) <= last, candidate.id);
    let order = |(_, a): &(usize, &Candidate<'a>), (_, b): &(usize, &Candidate<'a>)| {
        let by_cost = cost(a).total_cmp(&cost(b));
        by_cost.then_with(|| rank(a).cmp(&rank(b)))
    };
    let (position, _) = candidates
        .iter()
        .enumerate()
        .min_by(order)
        .expect("the balancer passes at least one candidate");
    position
}
