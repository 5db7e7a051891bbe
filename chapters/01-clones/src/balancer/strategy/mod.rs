//! Which clone gets the next request: one small trait, and one file for each answer to it.
//!
//! The balancer asks a [`Strategy`] once for each attempt, and shows it only those clones that may get the request: the ones
//! that are up and that this request has not met yet. Health, retries and connections are not a strategy's business, so each is
//! a few lines, and a test can ask it a hundred thousand times in a moment.
//!
//! | name | it looks at | it is right when |
//! |---|---|---|
//! | [`round-robin`](RoundRobin) | nothing | clones and requests are all alike |
//! | [`weighted`](WeightedRoundRobin) | weights | some machines are larger, and you know by how much |
//! | [`least-requests`](LeastRequests) | requests in flight at all clones | requests differ in length, and one balancer sees all of them |
//! | [`two-choices`](TwoChoices) | requests in flight at two clones | the same with many clones, or several balancers |
//! | [`peak-ewma`](PeakEwma) | the same, times how long answers take | clones differ, and nobody knows by how much |
//! | [`rendezvous`](Rendezvous) | the path | each clone has a cache of its own that should stay warm |
//! | [`sticky`](Sticky) | a cookie | never, if clones keep nothing; it is here to be measured |
//!
//! Left out: picking by the content of a body, by region, and subsets of very large fleets.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

mod least_requests;
mod peak_ewma;
mod rendezvous;
mod round_robin;
mod sticky;
mod two_choices;
mod weighted_round_robin;

pub use least_requests::LeastRequests;
pub use peak_ewma::{Latency, PeakEwma};
pub use rendezvous::Rendezvous;
pub use round_robin::RoundRobin;
pub use sticky::{STICKY_COOKIE, Sticky};
pub use two_choices::TwoChoices;
pub use weighted_round_robin::WeightedRoundRobin;

// ANCHOR: strategy
/// Chooses a clone for a request.
///
/// It is called under the balancer's lock, which the choice and the count of requests in flight share. So it takes `&mut self`
/// and needs no atomics, two requests never decide on the same counts, and it must not take long.
pub trait Strategy: fmt::Debug + Send {
    /// The position, in `candidates`, of the clone that gets the request. There is always at least one candidate.
    fn pick(&mut self, candidates: &[Candidate<'_>], visit: &Visit<'_>) -> usize;

    /// A cookie to set on the answer of the clone with this name, so that the visitor comes back to it.
    fn cookie(&self, _clone: &str, _visit: &Visit<'_>) -> Option<HeaderValue> {
        None
    }
}
// ANCHOR_END: strategy

/// A clone that may get the request.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Grows in the order in which clones were added, and is never given twice.
    pub id: u64,
    /// The clone's name. It stays when the balancer starts again, which the id does not.
    pub name: &'a str,
    /// How much it can carry, compared with the others. At least 1.
    pub weight: u32,
    /// Requests that it has got and not finished, with the body of the answer.
    pub in_flight: usize,
    /// How long it takes to answer, as a moving average that believes bad news at once ([`PeakEwma`]).
    pub latency: Duration,
}

impl Candidate<'_> {
    /// What it would carry with one request more, for each unit of its weight.
    fn load(&self) -> f64 {
        (self.in_flight + 1) as f64 / f64::from(self.weight)
    }
}

/// What a strategy may know about a request.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Path and query, as sent.
    pub path: &'a str,
    /// The request's headers.
    pub headers: &'a HeaderMap,
}

/// The strategies by name, as on the command line and in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// Each clone in turn
    #[default]
    RoundRobin,
    /// In turn, and a clone of weight 3 three times as often as one of weight 1
    Weighted,
    /// The clone with the fewest requests in flight
    LeastRequests,
    /// Two clones by lot, and of them the one with fewer requests in flight
    TwoChoices,
    /// Two clones by lot, and of them the one that is expected to answer sooner
    PeakEwma,
    /// The same path to the same clone, unless that has too much to do
    Rendezvous,
    /// A visitor's first clone for ever after, by cookie; for comparison only
    Sticky,
}

impl StrategyName {
    /// The strategy with this name. Those that draw lots draw the same ones for the same `seed`.
    pub fn build(self, seed: u64) -> Box<dyn Strategy> {
        match self {
            StrategyName::RoundRobin => Box::new(RoundRobin::default()),
            StrategyName::Weighted => Box::new(WeightedRoundRobin::default()),
            StrategyName::LeastRequests => Box::new(LeastRequests::default()),
            StrategyName::TwoChoices => Box::new(TwoChoices::new(seed)),
            StrategyName::PeakEwma => Box::new(PeakEwma::new(seed)),
            StrategyName::Rendezvous => Box::new(Rendezvous),
            StrategyName::Sticky => Box::new(Sticky::default()),
        }
    }
}

/// The position of the candidate with the least `cost`. Among equals it is the first one whose id is greater than `last`, else
/// the first of all: so equals take turns.
fn cheapest<'a>(
    candidates: &[Candidate<'a>],
    last: Option<u64>,
    cost: impl Fn(&Candidate<'a>) -> f64,
) -> usize {
    let rank = |candidate: &Candidate<'a>| (Some(candidate.id) <= last, candidate.id);
    let order = |(_, one): &(usize, &Candidate<'a>), (_, other): &(usize, &Candidate<'a>)| {
        let by_cost = cost(one).total_cmp(&cost(other));
        by_cost.then_with(|| rank(one).cmp(&rank(other)))
    };
    let cheapest = candidates.iter().enumerate().min_by(order);
    cheapest
        .expect("a strategy is asked only when there is a candidate")
        .0
}

#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::testing::{candidates, few_cases, visit};
    use super::{StrategyName, ValueEnum};

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn every_strategy_picks_one_of_the_candidates(
            loads in proptest::collection::vec((1_u32..5, 0_usize..9, 0_u64..900), 1..9),
            gone in any::<prop::sample::Index>(),
            seed: u64,
        ) {
            for name in StrategyName::value_variants() {
                let mut strategy = name.build(seed);
                let mut fleet = candidates(loads.len());
                for (candidate, (weight, in_flight, millis)) in fleet.iter_mut().zip(&loads) {
                    (candidate.weight, candidate.in_flight) = (*weight, *in_flight);
                    candidate.latency = std::time::Duration::from_millis(*millis);
                }
                for round in 0..20 {
                    // Clones come and go between two requests.
                    if round == 10 && fleet.len() > 1 {
                        fleet.remove(gone.index(fleet.len()));
                    }
                    let picked = strategy.pick(&fleet, &visit("/games/7"));
                    prop_assert!(picked < fleet.len(), "{name:?} picked {picked} of {}", fleet.len());
                }
            }
        }
    }
}
