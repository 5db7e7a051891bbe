//! An estimate of a clone's latency that reacts to slow responses at once.
//!
//! It is an exponentially weighted moving average (*EWMA*) with two changes, both from Finagle's
//! `PeakEwma`, which Linkerd's proxy uses too. It is *peak sensitive*: one slow response raises the
//! estimate at once, and only time lowers it. And a failure counts as a very slow response,
//! because a clone that fails within a millisecond is not fast.
//!
//! Left out: the time of the response body. A clone that sends the head at once and then a slow
//! body looks fast, until its requests in flight show the problem.

use std::time::Duration;

use tokio::time::Instant;

/// How long a clone takes to send the head of a response.
#[derive(Clone, Copy, Debug)]
pub struct LatencyEstimate {
    seconds: f64,
    updated_at: Instant,
}

impl LatencyEstimate {
    /// The estimate for a clone that has not responded yet. With zero, every request would go to a
    /// new clone at once.
    pub const INITIAL: Duration = Duration::from_millis(30);

    /// After this time, an old observation has the weight 1/e, about a third.
    pub const DECAY: Duration = Duration::from_secs(10);

    /// A failure counts as a response that took at least this long.
    pub const PENALTY: Duration = Duration::from_secs(1);

    /// The estimate for a clone that has not responded yet.
    pub fn new(now: Instant) -> Self {
        LatencyEstimate {
            seconds: LatencyEstimate::INITIAL.as_secs_f64(),
            updated_at: now,
        }
    }

    /// Records the latency of a response.
    pub fn observe(&mut self, latency: Duration, now: Instant) {
        let latency = latency.as_secs_f64();
        let old_weight = self.old_weight(now);
        self.seconds = if latency > self.seconds {
            latency
        } else {
            self.seconds * old_weight + latency * (1.0 - old_weight)
        };
        self.updated_at = now;
    }

    /// Records a failure after this time.
    pub fn penalise(&mut self, elapsed: Duration, now: Instant) {
        self.observe(elapsed.max(LatencyEstimate::PENALTY), now);
    }

    /// The estimate. It decreases without observations, so a clone that was slow gets requests
    /// again after some time.
    pub fn estimate(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.seconds * self.old_weight(now))
    }

    fn old_weight(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.updated_at);
        (-age.as_secs_f64() / LatencyEstimate::DECAY.as_secs_f64()).exp()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_support::few_cases;
    use super::*;

    #[test]
    fn slow_response_counts_at_once() {
        let now = Instant::now();
        let mut latency = LatencyEstimate::new(now);
        let slow = Duration::from_secs(1);
        latency.observe(slow, now);
        assert_eq!(
            latency.estimate(now),
            slow,
            "a slow response must count in full"
        );

        let soon = now + Duration::from_millis(100);
        latency.observe(Duration::ZERO, soon);
        let estimate = latency.estimate(soon);
        assert!(
            estimate > slow * 9 / 10,
            "{estimate:?}: one fast response must not cancel a slow one"
        );

        let estimate = latency.estimate(now + Duration::from_mins(1));
        assert!(
            estimate < slow / 100,
            "{estimate:?}: without decay, a slow clone never gets a request again"
        );
    }

    #[test]
    fn fast_failure_counts_as_slow_response() {
        let now = Instant::now();
        let mut failing = LatencyEstimate::new(now);
        failing.penalise(Duration::from_micros(50), now);
        assert_eq!(failing.estimate(now), LatencyEstimate::PENALTY);
    }

    proptest! {
        #![proptest_config(few_cases())]

        #[test]
        fn estimate_never_exceeds_the_worst_latency(
            responses in proptest::collection::vec((0_u64..2_000, 0_u64..5_000), 1..40),
        ) {
            let mut now = Instant::now();
            let mut estimate = LatencyEstimate::new(now);
            let mut worst = LatencyEstimate::INITIAL;
            for (latency, pause) in responses {
                now += Duration::from_millis(pause);
                let latency = Duration::from_millis(latency);
                estimate.observe(latency, now);
                worst = worst.max(latency);
                prop_assert!(estimate.estimate(now) <= worst + Duration::from_nanos(1));
            }
        }
    }
}
