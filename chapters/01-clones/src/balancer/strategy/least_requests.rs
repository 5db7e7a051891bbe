//! Least requests: picks the clone with the fewest requests in flight for its weight.
//!
//! nginx and HAProxy call it `least_conn` and `leastconn`. A slow clone finishes fewer requests, so
//! its count grows and it gets fewer new ones. This is the best choice while one balancer sees all
//! requests.
//!
//! Left out: several balancers. Each sees its own requests only, and all of them may send their
//! requests to the same idle clone; [`TwoChoices`](super::TwoChoices) avoids that. A clone that
//! fails at once always looks idle; ejection handles that.

use super::candidate::{Candidate, RequestInfo, cheapest};
use super::interface::Strategy;

/// Picks the clone with the fewest requests in flight. Clones with equal load take turns.
#[derive(Debug, Default)]
pub struct LeastRequests {
    /// The id of the clone that was picked last. Without it, the first of several idle clones would
    /// get all requests.
    last: Option<u64>,
}

impl Strategy for LeastRequests {
    fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
        let picked = cheapest(candidates, self.last, Candidate::load);
        self.last = Some(candidates[picked].id);
        picked
    }
}

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

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn picked_clone_has_the_fewest_requests(in_flight in vec(0_usize..50, 1..20)) {
            let mut strategy = LeastRequests::default();
            let mut clones = candidates(in_flight.len());
            for (candidate, count) in clones.iter_mut().zip(&in_flight) {
                candidate.in_flight = *count;
            }
            let picked = strategy.pick(&clones, &request_info("/"));
            prop_assert_eq!(in_flight[picked], *in_flight.iter().min().unwrap());
        }

        #[test]
        fn endless_requests_spread_evenly(clones in 1_usize..20, requests in 0_usize..2_000) {
            let mut strategy = LeastRequests::default();
            let held = add_requests(&mut strategy, &mut candidates(clones), requests);
            prop_assert!(spread(&held) <= 1, "{held:?}");
        }

        #[test]
        fn idle_clones_take_turns(clones in 1_usize..20, requests in 0_usize..2_000) {
            let picked = count_picks(&mut LeastRequests::default(), &candidates(clones), requests);
            prop_assert!(
                spread(&picked) <= 1,
                "{picked:?}: does the first of several idle clones get everything?"
            );
        }

        #[test]
        fn load_follows_weight(rounds in 1_usize..50) {
            let mut clones = candidates(2);
            clones[1].weight = 3;
            let held = add_requests(&mut LeastRequests::default(), &mut clones, rounds * 4);
            prop_assert_eq!(held, [rounds, rounds * 3]);
        }
    }
}
