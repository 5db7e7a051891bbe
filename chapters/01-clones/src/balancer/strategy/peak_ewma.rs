//! Two choices, by how long each clone is likely to take: its latency times the requests in front of ours.
//!
//! Counting requests cannot tell a clone that is slow from one that has many short requests; here the balancer measures. The
//! estimate is an exponentially weighted moving average (*EWMA*) with two quirks. It is *peak sensitive*: one slow answer raises it
//! at once, and only time lets it sink again. And a failure counts as a very slow answer: a clone that refuses everything in a
//! millisecond is not fast. Both come from Finagle's `Aperture` with `PeakEwma`, and from there to Linkerd's proxy.
//!
//! Left out: the time of the body. What is measured ends with the head of the answer, so a clone that begins at once and then
//! drips looks fast, until its requests in flight tell.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::two_choices::better_of_two;
use super::{Candidate, Strategy, Visit};

/// Picks the better of two, by latency and requests in flight.
#[derive(Debug)]
pub struct PeakEwma {
    lots: SmallRng,
}

impl PeakEwma {
    /// Draws the same pairs for the same `seed`.
    pub fn new(seed: u64) -> Self {
        PeakEwma {
            lots: SmallRng::seed_from_u64(seed),
        }
    }
}

impl Strategy for PeakEwma {
    fn pick(&mut self, candidates: &[Candidate<'_>], _visit: &Visit<'_>) -> usize {
        let cost = |one: &Candidate<'_>| one.latency.as_secs_f64() * one.load();
        better_of_two(&mut self.lots, candidates, cost)
    }
}

/// How long a clone takes to answer.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    seconds: f64,
    at: Instant,
}

impl Latency {
    /// What is believed of a clone that has not answered yet. With zero, every request would go to the new clone at once.
    pub const UNKNOWN: Duration = Duration::from_millis(30);

    /// After this long an old observation counts for 1/e, about a third.
    pub const DECAY: Duration = Duration::from_secs(10);

    /// A failure counts as an answer that took at least this long.
    pub const PENALTY: Duration = Duration::from_secs(1);

    /// Nothing is known yet.
    pub fn new(now: Instant) -> Self {
        Latency {
            seconds: Latency::UNKNOWN.as_secs_f64(),
            at: now,
        }
    }

    /// An answer took this long.
    pub fn observe(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let old = self.weight_of_the_past(now);
        self.seconds = if took > self.seconds {
            took
        } else {
            self.seconds * old + took * (1.0 - old)
        };
        self.at = now;
    }

    /// No answer came, or one that is as good as none, after this long.
    pub fn penalise(&mut self, took: Duration, now: Instant) {
        self.observe(took.max(Latency::PENALTY), now);
    }

    /// The estimate. It sinks while nothing is observed, so a clone that was slow once is asked again some day.
    pub fn estimate(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.seconds * self.weight_of_the_past(now))
    }

    fn weight_of_the_past(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        (-age.as_secs_f64() / Latency::DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    // Named, because proptest has a trait of this name too.
    use super::super::Strategy;
    use super::super::testing::{candidates, few_cases, visit};
    use super::super::{RoundRobin, StrategyName};
    use super::*;

    /// Four clones, of which the first takes ten times as long, at 60 % of what they can carry together: who gets how many of
    /// 4,000 requests? The time is counted, not waited for.
    fn first_ones_share(strategy: &mut dyn Strategy) -> f64 {
        let service = [100, 10, 10, 10].map(Duration::from_millis);
        // 10 + 3 × 100 requests a second is what four clones with one request at a time can do.
        let between = Duration::from_secs_f64(1.0 / (310.0 * 0.6));
        let begin = Instant::now();
        let (mut fleet, mut latency) = (candidates(4), [Latency::new(begin); 4]);
        let mut free_at = [begin; 4];
        let mut ends: BinaryHeap<Reverse<(Instant, usize, Instant)>> = BinaryHeap::new();
        let mut picked = [0; 4];
        for number in 0..4_000 {
            let now = begin + between * number;
            while let Some(&Reverse((end, clone, started))) =
                ends.peek().filter(|Reverse((end, ..))| *end <= now)
            {
                ends.pop();
                fleet[clone].in_flight -= 1;
                latency[clone].observe(end - started, end);
            }
            for (candidate, latency) in fleet.iter_mut().zip(&latency) {
                candidate.latency = latency.estimate(now);
            }
            let clone = strategy.pick(&fleet, &visit("/"));
            picked[clone] += 1;
            fleet[clone].in_flight += 1;
            free_at[clone] = free_at[clone].max(now) + service[clone];
            ends.push(Reverse((free_at[clone], clone, now)));
        }
        f64::from(picked[0]) / 4_000.0
    }

    #[test]
    fn a_slow_clone_gets_less_than_half_its_fair_share() {
        let naive = first_ones_share(&mut RoundRobin::default());
        assert!(
            (0.249..0.251).contains(&naive),
            "round robin gives it {naive}"
        );
        for seed in 0..20 {
            let fixed = first_ones_share(&mut PeakEwma::new(seed));
            assert!(
                fixed < 0.125,
                "{fixed} of the requests went to the slow one of four: does its latency count?"
            );
            assert!(fixed > 0.0, "a slow clone is still a clone");
        }
    }

    #[test]
    fn one_slow_answer_is_believed_at_once_and_forgotten_slowly() {
        let now = Instant::now();
        let mut latency = Latency::new(now);
        let slow = Duration::from_secs(1);
        latency.observe(slow, now);
        assert_eq!(latency.estimate(now), slow, "bad news counts in full");

        latency.observe(Duration::ZERO, now + Duration::from_millis(100));
        let soon = latency.estimate(now + Duration::from_millis(100));
        assert!(
            soon > slow * 9 / 10,
            "{soon:?}: one fast answer does not wash a clone clean"
        );

        let later = latency.estimate(now + Duration::from_mins(1));
        assert!(
            later < slow / 100,
            "{later:?}: a clone that is never asked again can never show that it is well"
        );
    }

    #[test]
    fn a_clone_that_fails_fast_is_not_a_fast_clone() {
        let now = Instant::now();
        let mut failing = Latency::new(now);
        failing.penalise(Duration::from_micros(50), now);
        assert_eq!(failing.estimate(now), Latency::PENALTY);
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn the_costliest_clone_of_all_is_never_picked(seed: u64, clones in 2_usize..12, in_flight in 0_usize..5) {
            let mut fleet = candidates(clones);
            fleet[0].latency = Duration::from_millis(100);
            for candidate in &mut fleet[1..] {
                candidate.in_flight = in_flight;
            }
            // 100 ms with nothing in front, against 10 ms with at most four: the idle one is the slower one.
            let mut strategy = PeakEwma::new(seed);
            for _ in 0..200 {
                prop_assert_ne!(strategy.pick(&fleet, &visit("/")), 0, "does it look at requests in flight only?");
            }
            // What looks at them only cannot know.
            let mut blind = StrategyName::LeastRequests.build(seed);
            prop_assert!(in_flight == 0 || blind.pick(&fleet, &visit("/")) == 0);
        }

        #[test]
        fn an_estimate_lies_between_nothing_and_the_worst_ever_seen(
            seen in proptest::collection::vec((0_u64..2_000, 0_u64..5_000), 1..40),
        ) {
            let mut now = Instant::now();
            let mut latency = Latency::new(now);
            let mut worst = Latency::UNKNOWN;
            for (took, pause) in seen {
                now += Duration::from_millis(pause);
                let took = Duration::from_millis(took);
                latency.observe(took, now);
                worst = worst.max(took);
                prop_assert!(latency.estimate(now) <= worst + Duration::from_nanos(1));
            }
        }
    }
}
