//! The names of the strategies, for the command line and the configuration file.

use clap::ValueEnum;
use serde::Deserialize;

use super::interface::Strategy;
use super::least_requests::LeastRequests;
use super::peak_ewma::PeakEwma;
use super::rendezvous::Rendezvous;
use super::round_robin::RoundRobin;
use super::sticky::Sticky;
use super::two_choices::TwoChoices;
use super::weighted_round_robin::WeightedRoundRobin;

/// The strategies by name. The comments are the texts of `--help`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyName {
    /// Each clone in turn
    #[default]
    RoundRobin,
    /// Each clone in turn, in proportion to its weight
    Weighted,
    /// The clone with the fewest requests in flight
    LeastRequests,
    /// Of two random clones, the one with fewer requests in flight
    TwoChoices,
    /// Of two random clones, the one that is expected to respond sooner
    PeakEwma,
    /// The same path to the same clone, unless that clone is overloaded
    Rendezvous,
    /// All requests of a browser to its first clone, by cookie; for comparison only
    Sticky,
}

impl StrategyName {
    /// Builds the strategy of this name. Random strategies make the same choices for the same
    /// `seed`.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::super::test_support::{candidates, few_cases, request_info};
    use super::*;

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn every_strategy_picks_one_of_the_candidates(
            loads in proptest::collection::vec((1_u32..5, 0_usize..9, 0_u64..900), 1..9),
            removed in any::<prop::sample::Index>(),
            seed: u64,
        ) {
            for name in StrategyName::value_variants() {
                let mut strategy = name.build(seed);
                let mut clones = candidates(loads.len());
                for (candidate, (weight, in_flight, millis)) in clones.iter_mut().zip(&loads) {
                    (candidate.weight, candidate.in_flight) = (*weight, *in_flight);
                    candidate.latency = Duration::from_millis(*millis);
                }
                for round in 0..20 {
                    // A clone leaves between two requests.
                    if round == 10 && clones.len() > 1 {
                        clones.remove(removed.index(clones.len()));
                    }
                    let picked = strategy.pick(&clones, &request_info("/games/7"));
                    prop_assert!(
                        picked < clones.len(),
                        "{name:?} picked {picked} of {}", clones.len()
                    );
                }
            }
        }
    }
}
