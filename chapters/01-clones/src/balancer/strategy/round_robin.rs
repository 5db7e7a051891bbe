//! Round robin: the clones take turns.
//!
//! It is the default of nginx. It uses no information about the clones, so a test can predict each
//! choice. A clone that takes ten times as long gets as many requests as the others, and they queue
//! up there.
//!
//! Left out: coordination between several balancers. Each balancer counts its own requests only.

use super::candidate::{Candidate, RequestInfo, cheapest};
use super::interface::Strategy;

/// Takes turns, in the order in which the clones were added.
#[derive(Debug, Default)]
pub struct RoundRobin {
    /// The id of the clone that had the last turn. It is not a position, because positions change
    /// when a clone leaves, and another clone would lose its turn.
    last: Option<u64>,
}

// ANCHOR: turns
impl Strategy for RoundRobin {
    fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
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
    use super::super::test_support::{candidates, count_picks, few_cases, request_info, spread};
    use super::*;

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn turns_differ_by_at_most_one(
            clones in 1_usize..20,
            requests in 0_usize..10_000,
        ) {
            let picked = count_picks(&mut RoundRobin::default(), &candidates(clones), requests);
            prop_assert!(
                spread(&picked) <= 1,
                "{picked:?}: does the turn move on with every request?"
            );
        }

        #[test]
        fn leaving_clone_costs_no_other_its_turn(
            clones in 2_usize..20,
            removed in any::<prop::sample::Index>(),
        ) {
            let (mut strategy, mut set) = (RoundRobin::default(), candidates(clones));
            let mut turns = Vec::new();
            for _ in 0..clones - 1 {
                turns.push(set[strategy.pick(&set, &request_info("/"))].id);
            }
            // A clone that has had its turn leaves, so the last clone is next.
            set.remove(removed.index(clones - 1));
            turns.push(set[strategy.pick(&set, &request_info("/"))].id);
            let expected: Vec<u64> = (0..clones as u64).collect();
            prop_assert_eq!(
                turns, expected,
                "is the last turn stored as a position, which changes when a clone leaves?"
            );
        }
    }
}
