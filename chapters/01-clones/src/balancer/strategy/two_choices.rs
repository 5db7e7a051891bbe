//! The power of two choices: draw two clones, and take the one with fewer requests in flight.
//!
//! Throw n balls into n bins by lot, and the fullest bin holds about ln n / ln ln n of them. Draw two bins for each ball and use
//! the emptier one, and it holds about ln ln n / ln 2: almost flat (Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing", 2001). The second look does nearly all the good that looking at all clones would do, and it does no harm that
//! looking at all does: balancers that cannot see each other's requests draw different pairs, so they do not all run to the same
//! idle clone.
//!
//! Left out: drawing by weight. A heavy clone is drawn as often as a light one, and then wins more often.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::{Candidate, Strategy, Visit};

/// Picks the better of two, by requests in flight for each unit of weight.
#[derive(Debug)]
pub struct TwoChoices {
    lots: SmallRng,
}

impl TwoChoices {
    /// Draws the same pairs for the same `seed`.
    pub fn new(seed: u64) -> Self {
        TwoChoices {
            lots: SmallRng::seed_from_u64(seed),
        }
    }
}

impl Strategy for TwoChoices {
    fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
        better_of_two(&mut self.lots, candidates, Candidate::load)
    }
}

/// Draws two different positions and gives the one of less `cost`. The only one, if there is only one.
pub(super) fn better_of_two<'a>(
    lots: &mut SmallRng,
    candidates: &[Candidate<'a>],
    cost: impl Fn(&Candidate<'a>) -> f64,
) -> usize {
    if candidates.len() < 2 {
        return 0;
    }
    let first = lots.random_range(0..candidates.len());
    // One of the others: drawing the same clone twice would be no choice.
    let second = (first + lots.random_range(1..candidates.len())) % candidates.len();
    if cost(&candidates[second]) < cost(&candidates[first]) {
        second
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::testing::{candidates, few_cases, pile_up, spread, tally, visit};
    use super::*;

    /// What it is compared with: one draw, no choice.
    #[derive(Debug)]
    struct OneChoice(SmallRng);

    impl Strategy for OneChoice {
        fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
            self.0.random_range(0..candidates.len())
        }
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn the_busiest_clone_of_all_is_never_picked(mut in_flight in vec(0_usize..50, 2..20), seed: u64) {
            let busiest = in_flight.len() / 2;
            in_flight[busiest] = 50;
            let mut fleet = candidates(in_flight.len());
            for (candidate, count) in fleet.iter_mut().zip(&in_flight) {
                candidate.in_flight = *count;
            }
            let mut strategy = TwoChoices::new(seed);
            for _ in 0..500 {
                let picked = strategy.pick(&fleet, &visit("/"));
                prop_assert_ne!(picked, busiest, "it is worse than any other: were two different clones drawn?");
            }
        }

        #[test]
        fn the_second_look_makes_the_pile_almost_flat(seed: u64) {
            // 100 balls for each of 100 bins. In theory: about 32 apart with one choice, about 3 above the mean with two.
            let one = pile_up(&mut OneChoice(SmallRng::seed_from_u64(seed)), &mut candidates(100), 10_000);
            let two = pile_up(&mut TwoChoices::new(seed), &mut candidates(100), 10_000);
            prop_assert!(spread(&one) >= 30, "one choice: {one:?}");
            prop_assert!(spread(&two) <= 12, "two choices: {two:?}");
            prop_assert!(two.iter().max() <= Some(&105), "two choices: {two:?}");
        }

        #[test]
        fn idle_clones_are_all_picked(clones in 1_usize..10, seed: u64) {
            let picked = tally(&mut TwoChoices::new(seed), &candidates(clones), 1_000);
            let fair = 1_000 / clones;
            prop_assert!(picked.iter().all(|count| *count > fair / 2), "{picked:?}: can every pair be drawn?");
        }
    }
}
