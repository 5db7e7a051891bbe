//! What the strategies' tests share: clones, visits, and how often each clone was picked.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use proptest::prelude::ProptestConfig;

use super::{Candidate, Strategy, Visit};

/// The cases of a property that asks a strategy thousands of times.
pub(super) fn few_cases() -> ProptestConfig {
    ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// So many clones with nothing to do, of weight 1, ten milliseconds away: `clone-1`, `clone-2`, …
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

/// A visit to this path, without headers.
pub(in super::super) fn visit(path: &str) -> Visit<'_> {
    Visit {
        path,
        headers: &NO_HEADERS,
    }
}

/// How often each of the candidates is picked in so many requests that end at once.
pub(super) fn tally(
    strategy: &mut dyn Strategy,
    fleet: &[Candidate<'_>],
    requests: usize,
) -> Vec<usize> {
    let mut picked = vec![0; fleet.len()];
    for _ in 0..requests {
        picked[strategy.pick(fleet, &visit("/"))] += 1;
    }
    picked
}

/// The same for requests that never end.
pub(super) fn pile_up(
    strategy: &mut dyn Strategy,
    fleet: &mut [Candidate<'_>],
    requests: usize,
) -> Vec<usize> {
    for _ in 0..requests {
        let picked = strategy.pick(fleet, &visit("/"));
        fleet[picked].in_flight += 1;
    }
    fleet.iter().map(|clone| clone.in_flight).collect()
}

/// The difference between the largest and the smallest.
pub(super) fn spread(counts: &[usize]) -> usize {
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    (1..=200)
        .map(|n| format!("clone-{n}").leak() as &str)
        .collect()
});
