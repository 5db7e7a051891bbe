//! Two random choices: draws two clones, and takes the one with fewer requests in flight.
//!
//! If n balls are thrown into n bins at random, the fullest bin holds about ln n / ln ln n balls.
//! If each ball takes the emptier of two random bins, the fullest holds about ln ln n / ln 2:
//! almost equal (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). So
//! the second draw has nearly all the benefit of looking at all clones. And several balancers,
//! which cannot see each other's requests, draw different pairs and do not all pick the same idle
//! clone.
//!
//! Left out: drawing by weight. A clone of high weight is drawn as often as the others, and then
//! wins more often.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::candidate::{Candidate, RequestInfo};
use super::interface::Strategy;

/// Picks the better of two random clones, by requests in flight per unit of weight.
#[derive(Debug)]
pub struct TwoChoices {
    rng: SmallRng,
}

impl TwoChoices {
    /// Draws the same pairs for the same `seed`.
    pub fn new(seed: u64) -> Self {
        TwoChoices {
            rng: SmallRng::seed_from_u64(seed),
        }
    }
}

impl Strategy for TwoChoices {
    fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
        better_of_two(&mut self.rng, candidates, Candidate::load)
    }
}

// ANCHOR: better-of-two
/// Draws two different positions and returns the one with the lower `cost`. If there is only one
/// candidate, returns that one.
pub(super) fn better_of_two<'a>(
    rng: &mut SmallRng,
    candidates: &[Candidate<'a>],
    cost: impl Fn(&Candidate<'a>) -> f64,
) -> usize {
    if candidates.len() < 2 {
        return 0;
    }
    let first = rng.random_range(0..candidates.len());
    // Drawn from the other positions: the same clone twice would be no choice.
    let second = (first + rng.random_range(1..candidates.len())) % candidates.len();
    if cost(&candidates[second]) < cost(&candidates[first]) {
        second
    } else {
        first
    }
}
// ANCHOR_END: better-of-two

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::test_support::{
        add_requests, candidates, count_picks, few_cases, request_info, spread,
    };
    use super::*;

    /// For comparison: picks one random clone.
    #[derive(Debug)]
    struct OneChoice(SmallRng);

    impl Strategy for OneChoice {
        fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
            self.0.random_range(0..candidates.len())
        }
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn busiest_clone_is_never_picked(mut in_flight in vec(0_usize..50, 2..20), seed: u64) {
            let busiest = in_flight.len() / 2;
            in_flight[busiest] = 50;
            let mut clones = candidates(in_flight.len());
            for (candidate, count) in clones.iter_mut().zip(&in_flight) {
                candidate.in_flight = *count;
            }
            let mut strategy = TwoChoices::new(seed);
            for _ in 0..500 {
                let picked = strategy.pick(&clones, &request_info("/"));
                prop_assert_ne!(
                    picked, busiest,
                    "any other clone is better: were two different clones drawn?"
                );
            }
        }

        #[test]
        fn second_choice_spreads_load_evenly(seed: u64) {
            // 100 balls per bin for 100 bins. In theory, the counts are about 32 apart with one
            // choice, and the highest is about 3 above the mean with two.
            let mut one_choice = OneChoice(SmallRng::seed_from_u64(seed));
            let one = add_requests(&mut one_choice, &mut candidates(100), 10_000);
            let two = add_requests(&mut TwoChoices::new(seed), &mut candidates(100), 10_000);
            prop_assert!(spread(&one) >= 30, "one choice: {one:?}");
            prop_assert!(spread(&two) <= 12, "two choices: {two:?}");
            prop_assert!(two.iter().max() <= Some(&105), "two choices: {two:?}");
        }

        #[test]
        fn idle_clones_are_all_picked(clones in 1_usize..10, seed: u64) {
            let picked = count_picks(&mut TwoChoices::new(seed), &candidates(clones), 1_000);
            let fair = 1_000 / clones;
            prop_assert!(
                picked.iter().all(|count| *count > fair / 2),
                "{picked:?}: can every pair be drawn?"
            );
        }
    }
}
