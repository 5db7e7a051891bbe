//! A histogram of response times, as Prometheus reads it.

use std::time::Duration;

/// The upper bounds of the buckets, in seconds. One more bucket holds everything above.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Response times, counted in buckets. The histograms of two balancers can be added up; averages
/// and quantiles cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    sum_seconds: f64,
    buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    pub(super) fn observe(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        self.sum_seconds += seconds;
        self.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }

    /// The number of responses.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all response times, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_seconds
    }

    /// The upper bound of each bucket in seconds, and its count. The last bound is infinity.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_time_counts_in_its_bucket() {
        let mut histogram = Histogram::default();
        for micros in [900, 1_000, 1_001, 6_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(
            histogram.buckets,
            [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            "is a bound part of its own bucket?"
        );
        assert_eq!(histogram.count(), 4);
    }
}
