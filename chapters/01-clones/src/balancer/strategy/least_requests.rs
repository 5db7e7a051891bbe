//! Least requests: the clone with the fewest requests in flight, for its weight.
//!
//! It needs no clock: a slow clone finishes less, so its requests pile up, so it gets fewer. nginx and HAProxy call it
//! `least_conn` and `leastconn`. It is the best there is while one balancer sees all requests.
//!
//! Left out: what several balancers do to it. Each sees its own requests only, all find the same clone idle, and all send theirs
//! there: a herd. [`TwoChoices`](super::TwoChoices) is the cure. And a clone that fails at once always looks idle; the balancer's
//! ejection has to catch that.

use super::{Candidate, Strategy, Visit, cheapest};

/// Picks the clone with the least to do. Those that have equally little take turns.
#[derive(Debug, Default)]
pub struct LeastRequests {
    /// Without it the first of several idle clones would get everything.
    last: Option<u64>,
}

impl Strategy for LeastRequests {
    fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
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
    use super::super::testing::{candidates, few_cases, pile_up, spread, tally, visit};
    use super::*;

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn the_picked_clone_has_the_fewest_requests_of_all(in_flight in vec(0_usize..50, 1..20)) {
            let (mut strategy, mut fleet) = (LeastRequests::default(), candidates(in_flight.len()));
            for (candidate, count) in fleet.iter_mut().zip(&in_flight) {
                candidate.in_flight = *count;
            }
            let picked = strategy.pick(&fleet, &visit("/"));
            prop_assert_eq!(in_flight[picked], *in_flight.iter().min().unwrap());
        }

        #[test]
        fn requests_that_do_not_end_are_spread_evenly(clones in 1_usize..20, requests in 0_usize..2_000) {
            let held = pile_up(&mut LeastRequests::default(), &mut candidates(clones), requests);
            prop_assert!(spread(&held) <= 1, "{held:?}");
        }

        #[test]
        fn idle_clones_take_turns(clones in 1_usize..20, requests in 0_usize..2_000) {
            let picked = tally(&mut LeastRequests::default(), &candidates(clones), requests);
            prop_assert!(spread(&picked) <= 1, "{picked:?}: does the first of several idle clones get everything?");
        }

        #[test]
        fn a_clone_of_three_times_the_weight_holds_three_times_as_many(rounds in 1_usize..50) {
            let mut fleet = candidates(2);
            fleet[1].weight = 3;
            let held = pile_up(&mut LeastRequests::default(), &mut fleet, rounds * 4);
            prop_assert_eq!(held, [rounds, rounds * 3]);
        }
    }
}
