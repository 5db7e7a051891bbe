//! Peak EWMA: draws two clones, and takes the one with the lower cost, latency times load.
//!
//! Requests in flight alone do not show whether a clone is slow or has many short requests. So this
//! strategy also uses the [latency](super::LatencyEstimate) that the balancer measures. It comes
//! from Finagle's `Aperture` with `PeakEwma`, and Linkerd's proxy uses it too.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::candidate::{Candidate, RequestInfo};
use super::interface::Strategy;
use super::two_choices::better_of_two;

/// Picks the better of two random clones, by latency and requests in flight.
#[derive(Debug)]
pub struct PeakEwma {
    rng: SmallRng,
}

impl PeakEwma {
    /// Draws the same pairs for the same `seed`.
    pub fn new(seed: u64) -> Self {
        PeakEwma {
            rng: SmallRng::seed_from_u64(seed),
        }
    }
}

impl Strategy for PeakEwma {
    fn pick(&mut self, candidates: &[Candidate<'_>], _request: &RequestInfo<'_>) -> usize {
        let cost = |candidate: &Candidate<'_>| candidate.latency.as_secs_f64() * candidate.load();
        better_of_two(&mut self.rng, candidates, cost)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::Instant;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::test_support::{candidates, few_cases, request_info};
    use super::super::{LatencyEstimate, RoundRobin, StrategyName};
    use super::*;

    /// Simulates 4,000 requests to four clones at 60 % of their capacity. The first clone takes ten
    /// times as long as the others. Returns its share of the requests.
    fn share_of_slow_clone(strategy: &mut dyn Strategy) -> f64 {
        let service_time = [100, 10, 10, 10].map(Duration::from_millis);
        // The capacity is 10 + 3 × 100 requests per second.
        let interval = Duration::from_secs_f64(1.0 / (310.0 * 0.6));
        let begin = Instant::now();
        let (mut clones, mut latency) = (candidates(4), [LatencyEstimate::new(begin); 4]);
        let mut free_at = [begin; 4];
        let mut ends: BinaryHeap<Reverse<(Instant, usize, Instant)>> = BinaryHeap::new();
        let mut picked = [0; 4];
        for number in 0..4_000 {
            let now = begin + interval * number;
            while let Some(&Reverse((end, clone, started))) =
                ends.peek().filter(|Reverse((end, ..))| *end <= now)
            {
                ends.pop();
                clones[clone].in_flight -= 1;
                latency[clone].observe(end - started, end);
            }
            for (candidate, latency) in clones.iter_mut().zip(&latency) {
                candidate.latency = latency.estimate(now);
            }
            let clone = strategy.pick(&clones, &request_info("/"));
            picked[clone] += 1;
            clones[clone].in_flight += 1;
            free_at[clone] = free_at[clone].max(now) + service_time[clone];
            ends.push(Reverse((free_at[clone], clone, now)));
        }
        f64::from(picked[0]) / 4_000.0
    }

    #[test]
    fn slow_clone_gets_under_half_its_share() {
        let round_robin = share_of_slow_clone(&mut RoundRobin::default());
        assert!(
            (0.249..0.251).contains(&round_robin),
            "round robin gives the slow clone {round_robin}"
        );
        for seed in 0..20 {
            let share = share_of_slow_clone(&mut PeakEwma::new(seed));
            assert!(
                share < 0.125,
                "the slow one of four clones gets {share} of the requests: does its latency count?"
            );
            assert!(share > 0.0, "the slow clone must still get some requests");
        }
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn most_expensive_clone_is_never_picked(
            seed: u64,
            clones in 2_usize..12,
            in_flight in 0_usize..5,
        ) {
            let mut clones = candidates(clones);
            clones[0].latency = Duration::from_millis(100);
            for candidate in &mut clones[1..] {
                candidate.in_flight = in_flight;
            }
            // The first clone is idle and needs 100 ms. The others need 10 ms for each of at most
            // five requests.
            let mut strategy = PeakEwma::new(seed);
            for _ in 0..200 {
                prop_assert_ne!(
                    strategy.pick(&clones, &request_info("/")), 0,
                    "the idle clone is the slowest: does the strategy use the latency?"
                );
            }
            // A strategy that uses only requests in flight picks the slow clone.
            let mut least_requests = StrategyName::LeastRequests.build(seed);
            let picked = least_requests.pick(&clones, &request_info("/"));
            prop_assert!(in_flight == 0 || picked == 0);
        }
    }
}
