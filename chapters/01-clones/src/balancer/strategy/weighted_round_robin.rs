//! Smooth weighted round robin: the clones take turns in proportion to their weights.
//!
//! With the weights 5, 1 and 1, simple repetition gives `a a a a a b c`: five requests in a row for
//! one clone. This algorithm gives `a a b a c a a`. It comes from nginx (commit 52327e0 of 2012
//! explains it). Before each pick, each clone's credit grows by its weight. The clone with the
//! highest credit is picked, and its credit shrinks by the sum of all weights.
//!
//! Left out: weights that follow the real capacity. [`PeakEwma`](super::PeakEwma) measures instead.

use std::collections::HashMap;

use super::candidate::{Candidate, RequestInfo};
use super::interface::Strategy;

/// Picks each clone in turn, in proportion to its weight.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    /// The credit of each clone, by id. The sum of all credits is zero after each pick.
    credit: HashMap<u64, i64>,
}

impl Strategy for WeightedRoundRobin {
    fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
        // A clone that leaves loses its credit. Otherwise it would get many requests when it comes
        // back.
        self.credit
            .retain(|id, _| candidates.iter().any(|candidate| candidate.id == *id));
        let (mut picked, mut highest, mut sum) = (0, i64::MIN, 0);
        for (position, candidate) in candidates.iter().enumerate() {
            let credit = self.credit.entry(candidate.id).or_default();
            *credit += i64::from(candidate.weight);
            sum += i64::from(candidate.weight);
            if *credit > highest {
                (picked, highest) = (position, *credit);
            }
        }
        *self.credit.entry(candidates[picked].id).or_default() -= sum;
        picked
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::test_support::{candidates, count_picks, few_cases, request_info};
    use super::*;

    fn weighted(weights: &[u32]) -> Vec<Candidate<'static>> {
        let mut clones = candidates(weights.len());
        for (candidate, weight) in clones.iter_mut().zip(weights) {
            candidate.weight = *weight;
        }
        clones
    }

    #[test]
    fn turns_of_heavy_clone_are_spread_out() {
        let (mut strategy, clones) = (WeightedRoundRobin::default(), weighted(&[5, 1, 1]));
        let turns: Vec<usize> = (0..7)
            .map(|_| strategy.pick(&clones, &request_info("/")))
            .collect();
        assert_eq!(
            turns,
            [0, 0, 1, 0, 2, 0, 0],
            "nginx's own example: does the picked clone pay the sum of all weights?"
        );
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn each_round_follows_the_weights(
            weights in vec(1_u32..30, 1..12),
            rounds in 1_usize..20,
        ) {
            let round: u32 = weights.iter().sum();
            let requests = rounds * round as usize;
            let mut strategy = WeightedRoundRobin::default();
            let picked = count_picks(&mut strategy, &weighted(&weights), requests);
            let expected: Vec<usize> =
                weights.iter().map(|weight| rounds * *weight as usize).collect();
            prop_assert_eq!(picked, expected);
        }

        #[test]
        fn no_clone_exceeds_its_share_by_one(weights in vec(1_u32..30, 1..12)) {
            let (mut strategy, clones) = (WeightedRoundRobin::default(), weighted(&weights));
            let sum = f64::from(weights.iter().sum::<u32>());
            let mut picked = vec![0.0; weights.len()];
            for request in 1..=1_000 {
                picked[strategy.pick(&clones, &request_info("/"))] += 1.0;
                for (count, weight) in picked.iter().zip(&weights) {
                    let share = f64::from(request) * f64::from(*weight) / sum;
                    prop_assert!(
                        count - share < 1.0,
                        "request {request}: {count} instead of {share}: are the turns in a row?"
                    );
                }
            }
        }
    }
}
