//! The [`Report`] of a run. Each connection fills its own report; at the end they are merged.
//!
//! The latencies are in an HDR histogram (<https://hdrhistogram.org>). It keeps three significant
//! digits of every value in constant space. Histograms can be added, so no quantile is an average
//! of averages.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::TransportError;

/// The counts and latencies of one run, or of several runs at the same time.
#[derive(Clone, Debug)]
pub struct Report {
    /// All requests: the responses in `by_status` plus the `errors`.
    pub requests: u64,
    /// Requests without a response: refused, broken off, or timed out.
    pub errors: u64,
    /// The message of the first error.
    pub first_error: Option<String>,
    /// The number of responses per status.
    pub by_status: BTreeMap<u16, u64>,
    /// From the start of the run to the last response.
    pub elapsed: Duration,
    /// Latencies in microseconds, of responses with any status and of requests that timed out.
    /// Refused and broken connections are not included: they fail fast and would make the server
    /// look faster.
    pub histogram: Histogram<u64>,
    /// The number of sends with a due time: all of an open loop, none of a closed loop.
    pub scheduled: u64,
    /// The sends that started more than 1 ms after their due time, for any reason.
    pub late: u64,
    /// The `late` sends that the generator itself delayed, not a wait for a busy connection.
    pub late_by_generator: u64,
}

impl Default for Report {
    fn default() -> Self {
        Report {
            requests: 0,
            errors: 0,
            first_error: None,
            by_status: BTreeMap::new(),
            elapsed: Duration::ZERO,
            // It starts small and grows with the largest value, so each connection can have its
            // own.
            histogram: Histogram::new(3)
                .expect("HDR histograms allow up to five significant digits"),
            scheduled: 0,
            late: 0,
            late_by_generator: 0,
        }
    }
}

impl Report {
    /// The column names for rows printed with `{report}`.
    pub const TABLE_HEAD: &str =
        "requests  failures      ok/s    p50 ms    p90 ms    p99 ms    max ms  statuses";

    /// Failed requests: no response, or a 5xx.
    ///
    /// A 4xx is no failure of the server. Look at `by_status` for those.
    pub fn failures(&self) -> u64 {
        self.errors
            + self
                .by_status
                .range(500..)
                .map(|(_, count)| count)
                .sum::<u64>()
    }

    /// Successful requests per second of the run. Failures do not count: a dead server fails very
    /// fast.
    pub fn requests_per_second(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        (self.requests - self.failures()) as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in milliseconds that the fraction `q` (0.0 to 1.0) of the requests did not
    /// exceed.
    ///
    /// NaN if nothing was measured. Every comparison with NaN is false, so "p99 is below 5 ms" is
    /// false for an empty run.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        if self.histogram.is_empty() {
            return f64::NAN;
        }
        self.histogram.value_at_quantile(q) as f64 / 1_000.0
    }

    /// Whether the run may be used as evidence: requests were sent, and the generator delayed at
    /// most 1 % of the scheduled sends. A closed loop has no schedule.
    pub fn is_conclusive(&self) -> bool {
        self.requests > 0 && self.late_by_generator * 100 <= self.scheduled
    }

    /// Adds a run that took place at the same time. Counts add up; `elapsed` is the longer time.
    pub fn merge(&mut self, other: &Report) {
        self.requests += other.requests;
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
        for (status, count) in &other.by_status {
            *self.by_status.entry(*status).or_default() += count;
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self.histogram
            .add(&other.histogram)
            .expect("a growing histogram accepts all values of another one");
        self.scheduled += other.scheduled;
        self.late += other.late;
        self.late_by_generator += other.late_by_generator;
    }

    /// Records one request.
    pub(crate) fn record(&mut self, outcome: &Result<u16, TransportError>, latency: Duration) {
        self.requests += 1;
        match outcome {
            Ok(status) => *self.by_status.entry(*status).or_default() += 1,
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| error.to_string());
            }
        }
        if matches!(outcome, Ok(_) | Err(TransportError::TimedOut)) {
            // Not `saturating_record`: it does not grow the histogram, and cuts every latency to 2
            // µs.
            self.histogram
                .record(latency.as_micros() as u64)
                .expect("a growing histogram accepts every latency of a limited run");
        }
    }

    /// Waits for all connections of a run. A panic of the caller's closure continues here.
    pub(crate) async fn collect(mut connections: JoinSet<Report>, start: Instant) -> Report {
        let mut total = Report::default();
        while let Some(finished) = connections.join_next().await {
            match finished {
                Ok(report) => total.merge(&report),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        total.elapsed = start.elapsed();
        total
    }
}

/// One row under [`Report::TABLE_HEAD`], and further lines for the first error and for an
/// inconclusive run.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>8}  {:>8}  {:>8.1}",
            self.requests,
            self.failures(),
            self.requests_per_second()
        )?;
        for q in [0.5, 0.9, 0.99, 1.0] {
            let value = self.quantile_ms(q);
            if value.is_nan() {
                write!(f, "  {:>8}", "-")?;
            } else {
                write!(f, "  {value:>8.2}")?;
            }
        }
        for (status, count) in &self.by_status {
            write!(f, "  {status}×{count}")?;
        }
        if let Some(error) = &self.first_error {
            write!(
                f,
                "\n          {} without a response; the first error: {error}",
                self.errors
            )?;
        }
        if self.late_by_generator * 100 > self.scheduled {
            write!(
                f,
                "\n          inconclusive: the generator itself delayed {} of {} sends; \
                 lower the rate or stop other programs",
                self.late_by_generator, self.scheduled
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, millis: u64) -> Report {
        let mut report = Report::default();
        report.record(&Ok(status), Duration::from_millis(millis));
        report
    }

    #[test]
    fn merging_adds_counts_and_latencies() {
        let mut all = response(200, 1);
        all.merge(&response(200, 3));
        all.merge(&response(503, 9));

        assert_eq!((all.requests, all.failures()), (3, 1));
        assert_eq!(all.by_status, BTreeMap::from([(200, 2), (503, 1)]));
        assert!(
            (all.quantile_ms(0.5) - 3.0).abs() < 0.01,
            "{}",
            all.quantile_ms(0.5)
        );
    }

    #[test]
    fn throughput_counts_successes_over_longest_run() {
        let mut all = response(200, 1);
        all.elapsed = Duration::from_secs(4);
        for status in [200, 404, 500] {
            let mut other = response(status, 1);
            other.elapsed = Duration::from_secs(2);
            all.merge(&other);
        }

        assert_eq!(
            all.elapsed,
            Duration::from_secs(4),
            "the runs took place at the same time"
        );
        assert!(
            (all.requests_per_second() - 0.75).abs() < 0.001,
            "{}",
            all.requests_per_second()
        );
    }

    #[test]
    fn empty_run_is_not_conclusive() {
        let empty = Report::default();

        assert!(!empty.is_conclusive());
        let looks_fast = empty.quantile_ms(0.99) < 5.0;
        let looks_slow = empty.quantile_ms(0.99) >= 5.0;
        assert!(!looks_fast && !looks_slow, "{}", empty.quantile_ms(0.99));
    }

    #[test]
    fn broken_connection_has_no_latency() {
        let mut report = response(200, 7);
        let refused = TransportError::Connect(std::io::ErrorKind::ConnectionRefused.into());
        report.record(&Err(refused), Duration::from_micros(20));
        report.record(&Err(TransportError::TimedOut), Duration::from_secs(10));

        assert_eq!((report.requests, report.errors), (3, 2));
        assert_eq!(
            report.histogram.len(),
            2,
            "a time-out counts as a latency, a refusal does not"
        );
        assert!(
            report.histogram.min() > 6_000,
            "the refusal makes the server look fast"
        );
    }

    #[test]
    fn more_than_one_percent_delayed_is_inconclusive() {
        let mut report = response(200, 1);
        report.scheduled = 200;
        report.late = 200;
        report.late_by_generator = 2;
        assert!(
            report.is_conclusive(),
            "sends that wait for the server are no delay of the generator"
        );

        report.late_by_generator = 3;
        assert!(!report.is_conclusive());
        assert!(report.to_string().contains("inconclusive"), "{report}");
    }

    #[test]
    fn row_is_aligned_with_table_head() {
        let row = response(200, 2).to_string();

        assert_eq!(
            row.find("200×1"),
            Report::TABLE_HEAD.find("statuses"),
            "{}\n{row}",
            Report::TABLE_HEAD
        );
    }
}
