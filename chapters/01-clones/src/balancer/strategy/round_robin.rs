//! Round robin: the clones take turns.
//!
//! The oldest strategy, and nginx's default. It knows nothing about the clones, so nothing can mislead it, and a test can say
//! beforehand who gets a request. Its weakness is the same: a clone that takes ten times as long gets as many requests as the
//! others, and they queue up there.
//!
//! Left out: several balancers. Each counts for itself, so at the clones their turns mix.

use super::{Candidate, Strategy, Visit, cheapest};

/// Takes turns, in the order in which the clones were added.
#[derive(Debug, Default)]
pub struct RoundRobin {
    /// Who had the last turn. An id and not a position: when a clone leaves, the positions of the others change, and one of them
    /// would lose its turn.
    last: Option<u64>,
}

// ANCHOR: turns
impl Strategy for RoundRobin {
    fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
        let picked = cheapest(candidates, self.last, |_| 0.0);
        self.last = Some(candidates[picked].id);
        picked
    }
}
// ANCHOR_END: turns

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::testing::{candidates, few_cases, spread, tally, visit};
    use super::*;

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn after_any_number_of_requests_no_clone_has_had_more_than_one_turn_more_than_another(
            clones in 1_usize..20,
            requests in 0_usize..10_000,
        ) {
            let picked = tally(&mut RoundRobin::default(), &candidates(clones), requests);
            prop_assert!(spread(&picked) <= 1, "{picked:?}: does the turn move on with every request?");
        }

        #[test]
        fn a_clone_that_leaves_costs_no_other_its_turn(clones in 2_usize..20, gone in any::<prop::sample::Index>()) {
            let (mut strategy, mut fleet) = (RoundRobin::default(), candidates(clones));
            let mut turns = Vec::new();
            for _ in 0..clones - 1 {
                turns.push(fleet[strategy.pick(&fleet, &visit("/"))].id);
            }
            // One that has had its turn leaves, so the last one is next.
            fleet.remove(gone.index(clones - 1));
            turns.push(fleet[strategy.pick(&fleet, &visit("/"))].id);
            let expected: Vec<u64> = (0..clones as u64).collect();
            prop_assert_eq!(turns, expected, "is the turn a position, which moves when a clone leaves?");
        }
    }
}
