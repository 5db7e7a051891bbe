//! Smooth weighted round robin: turns in proportion to weights, and spread out evenly.
//!
//! With weights 5, 1 and 1 the naive way is `a a a a a b c`: five requests in a row to one clone, then none for a while. This
//! one gives `a a b a c a a`. It is nginx's (commit 52327e0 of 2012 explains it): before each pick, every clone gains its weight; who
//! has most is picked, and pays the sum of all weights.
//!
//! Left out: weights that follow what the clones can carry. [`PeakEwma`](super::PeakEwma) measures instead of being told.

use std::collections::HashMap;

use super::{Candidate, Strategy, Visit};

/// Takes turns by weight.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    /// What each clone has gained and not spent, by id. Their sum is zero after each pick.
    credit: HashMap<u64, i64>,
}

impl Strategy for WeightedRoundRobin {
    fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
        // Whoever left takes its credit along. Else a clone that comes back would collect for the time when it was away.
        self.credit
            .retain(|id, _| candidates.iter().any(|one| one.id == *id));
        let (mut picked, mut most, mut sum) = (0, i64::MIN, 0);
        for (position, candidate) in candidates.iter().enumerate() {
            let credit = self.credit.entry(candidate.id).or_default();
            *credit += i64::from(candidate.weight);
            sum += i64::from(candidate.weight);
            if *credit > most {
                (picked, most) = (position, *credit);
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
    use super::super::testing::{candidates, few_cases, tally, visit};
    use super::*;

    fn weighted(weights: &[u32]) -> Vec<Candidate<'static>> {
        let mut fleet = candidates(weights.len());
        for (candidate, weight) in fleet.iter_mut().zip(weights) {
            candidate.weight = *weight;
        }
        fleet
    }

    #[test]
    fn a_heavy_clone_gets_its_turns_spread_out_and_not_in_a_row() {
        let (mut strategy, fleet) = (WeightedRoundRobin::default(), weighted(&[5, 1, 1]));
        let turns: Vec<usize> = (0..7).map(|_| strategy.pick(&fleet, &visit("/"))).collect();
        assert_eq!(
            turns,
            [0, 0, 1, 0, 2, 0, 0],
            "nginx's own example: does the picked one pay the sum of all weights?"
        );
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn each_clone_gets_exactly_its_weight_in_each_round(weights in vec(1_u32..30, 1..12), rounds in 1_usize..20) {
            let round: u32 = weights.iter().sum();
            let picked = tally(&mut WeightedRoundRobin::default(), &weighted(&weights), rounds * round as usize);
            let expected: Vec<usize> = weights.iter().map(|weight| rounds * *weight as usize).collect();
            prop_assert_eq!(picked, expected);
        }

        #[test]
        fn no_clone_is_ever_a_whole_request_ahead_of_its_share(weights in vec(1_u32..30, 1..12)) {
            let (mut strategy, fleet) = (WeightedRoundRobin::default(), weighted(&weights));
            let sum = f64::from(weights.iter().sum::<u32>());
            let mut picked = vec![0.0; weights.len()];
            for request in 1..=1_000 {
                picked[strategy.pick(&fleet, &visit("/"))] += 1.0;
                for (had, weight) in picked.iter().zip(&weights) {
                    let share = f64::from(request) * f64::from(*weight) / sum;
                    prop_assert!(had - share < 1.0, "request {request}: {had} instead of {share}: are its turns in a row?");
                }
            }
        }
    }
}
