//! Helpers for the tests of the strategies.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use proptest::prelude::ProptestConfig;

use super::{Candidate, RequestInfo, Strategy};

/// A configuration for properties that call a strategy thousands of times per case.
pub(super) fn few_cases() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// Idle clones of weight 1 with a latency of 10 ms: `clone-1`, `clone-2`, …
pub(super) fn candidates(count: usize) -> Vec<Candidate<'static>> {
    let clone = |n: usize| Candidate {
        id: n as u64,
        name: NAMES[n],
        weight: 1,
        in_flight: 0,
        latency: Duration::from_millis(10),
    };
    (0..count).map(clone).collect()
}

/// A request for this path, without header fields.
pub(crate) fn request_info(path: &str) -> RequestInfo<'_> {
    RequestInfo {
        path,
        headers: &NO_HEADERS,
    }
}

/// How often each candidate is picked for `requests` requests that end at once.
pub(super) fn count_picks(
    strategy: &mut dyn Strategy,
    clones: &[Candidate<'_>],
    requests: usize,
) -> Vec<usize> {
    let mut picked = vec![0; clones.len()];
    for _ in 0..requests {
        picked[strategy.pick(clones, &request_info("/"))] += 1;
    }
    picked
}

/// How many requests in flight each candidate has after `requests` requests that never end.
pub(super) fn add_requests(
    strategy: &mut dyn Strategy,
    clones: &mut [Candidate<'_>],
    requests: usize,
) -> Vec<usize> {
    for _ in 0..requests {
        let picked = strategy.pick(clones, &request_info("/"));
        clones[picked].in_flight += 1;
    }
    clones.iter().map(|clone| clone.in_flight).collect()
}

/// The difference between the largest and the smallest count.
pub(super) fn spread(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    (1..=200)
        .map(|n| format!("clone-{n}").leak() as &str)
        .collect()
});
