//! What a run found out: [`Report`]. Each connection fills one of its own; at the end they are merged.
//!
//! Latencies lie in an HDR histogram (<https://hdrhistogram.org>), which keeps every value to three significant digits in
//! constant space and can be added up, so that no quantile is ever an average of averages. Left out: how the numbers
//! moved during the run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::TransportError;

/// The counts and latencies of one run, or of several that ran side by side.
#[derive(Clone, Debug)]
pub struct Report {
    /// Everything that was asked: the answers in `by_status` and the `errors`.
    pub requests: u64,
    /// Requests without an answer: refused, broken off, or out of time.
    pub errors: u64,
    /// The first error's own words; enough to find out what is wrong.
    pub first_error: Option<String>,
    /// How many answers came with which status.
    pub by_status: BTreeMap<u16, u64>,
    /// From the start of the run until the last answer.
    pub elapsed: Duration,
    /// Latencies in microseconds: of each answer, whatever its status, and of each request that ran out of time, with the
    /// time that it waited. A refused or broken connection is not in it, for it fails fast and would flatter the server.
    pub histogram: Histogram<u64>,
    /// How many sends had an intended time: all of an open loop, none of a closed one.
    pub scheduled: u64,
    /// Sends that began more than 1 ms after their intended time, for whatever reason.
    pub late: u64,
    /// Those of the `late` that were the generator's own fault, not a wait for a busy connection.
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
            // It starts small and grows with the largest value, so a thousand connections may each have one.
            histogram: Histogram::new(3)
                .expect("three significant digits are within HDR's limit of five"),
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

    /// Requests that did not work out: no answer, or an answer that blames the server (5xx).
    ///
    /// A 4xx is not among them: the server did answer, and it was the request that was wrong. Look at `by_status`.
    pub fn failures(&self) -> u64 {
        self.errors
            + self
                .by_status
                .range(500..)
                .map(|(_, count)| count)
                .sum::<u64>()
    }

    /// Requests that did not fail, per second of the run. Failures do not count, for a dead server fails very fast.
    pub fn requests_per_second(&self) -> f64 {
        if self.elapsed.is_zero() {
            return 0.0;
        }
        (self.requests - self.failures()) as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency, in milliseconds, that the share `q` (0.0 to 1.0) of the requests did not exceed.
    ///
    /// NaN if nothing was measured. Every comparison with NaN is false, so "p99 is below 5 ms" does not hold for an
    /// empty run.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        if self.histogram.is_empty() {
            return f64::NAN;
        }
        self.histogram.value_at_quantile(q) as f64 / 1_000.0
    }

    /// Whether the run may be used as evidence: something was sent, and the generator kept its own schedule for 99 % of it.
    ///
    /// A closed loop has no schedule to miss.
    pub fn is_conclusive(&self) -> bool {
        self.requests > 0 && self.late_by_generator * 100 <= self.scheduled
    }

    /// Adds a run that went on at the same time. Counts add up; `elapsed` is the longer of the two.
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
            .expect("a histogram that grows can take any other's values");
        self.scheduled += other.scheduled;
        self.late += other.late;
        self.late_by_generator += other.late_by_generator;
    }

    /// Notes one request.
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
            // Not `saturating_record`: that one does not grow the histogram, and cuts every latency to 2 µs.
            self.histogram
                .record(latency.as_micros() as u64)
                .expect("a histogram that grows can take any latency of a bounded run");
        }
    }

    /// Waits for all connections of a run. If one panicked, in the caller's closure, the panic goes on from here.
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

/// One row under [`Report::TABLE_HEAD`], and a second line if there is something that the numbers alone would hide.
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
                "\n          {} without an answer, the first because: {error}",
                self.errors
            )?;
        }
        if self.late_by_generator * 100 > self.scheduled {
            write!(
                f,
                "\n          inconclusive: the generator was itself late for {} of {} sends; \
                 lower the rate or stop what else runs here",
                self.late_by_generator, self.scheduled
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, millis: u64) -> Report {
        let mut report = Report::default();
        report.record(&Ok(status), Duration::from_millis(millis));
        report
    }

    #[test]
    fn merging_adds_counts_and_latencies() {
        let mut all = answered(200, 1);
        all.merge(&answered(200, 3));
        all.merge(&answered(503, 9));

        assert_eq!((all.requests, all.failures()), (3, 1));
        assert_eq!(all.by_status, BTreeMap::from([(200, 2), (503, 1)]));
        assert!(
            (all.quantile_ms(0.5) - 3.0).abs() < 0.01,
            "{}",
            all.quantile_ms(0.5)
        );
    }

    #[test]
    fn throughput_is_what_went_well_in_the_time_of_the_longest_run() {
        let mut all = answered(200, 1);
        all.elapsed = Duration::from_secs(4);
        for status in [200, 404, 500] {
            let mut other = answered(status, 1);
            other.elapsed = Duration::from_secs(2);
            all.merge(&other);
        }

        assert_eq!(
            all.elapsed,
            Duration::from_secs(4),
            "the runs went on side by side"
        );
        assert!(
            (all.requests_per_second() - 0.75).abs() < 0.001,
            "{}",
            all.requests_per_second()
        );
    }

    #[test]
    fn a_run_that_measured_nothing_proves_nothing() {
        let empty = Report::default();

        assert!(!empty.is_conclusive());
        let looks_fast = empty.quantile_ms(0.99) < 5.0;
        let looks_slow = empty.quantile_ms(0.99) >= 5.0;
        assert!(!looks_fast && !looks_slow, "{}", empty.quantile_ms(0.99));
    }

    #[test]
    fn a_broken_connection_fails_fast_and_so_has_no_latency() {
        let mut report = answered(200, 7);
        let refused = TransportError::Connect(std::io::ErrorKind::ConnectionRefused.into());
        report.record(&Err(refused), Duration::from_micros(20));
        report.record(&Err(TransportError::TimedOut), Duration::from_secs(10));

        assert_eq!((report.requests, report.errors), (3, 2));
        assert_eq!(
            report.histogram.len(),
            2,
            "the time-out waited and counts; the refusal did not"
        );
        assert!(
            report.histogram.min() > 6_000,
            "a refusal made the server look fast"
        );
    }

    #[test]
    fn more_than_one_send_in_a_hundred_missed_is_inconclusive() {
        let mut report = answered(200, 1);
        report.scheduled = 200;
        report.late = 200;
        report.late_by_generator = 2;
        assert!(
            report.is_conclusive(),
            "sends that wait for the server are not the generator's fault"
        );

        report.late_by_generator = 3;
        assert!(!report.is_conclusive());
        assert!(report.to_string().contains("inconclusive"), "{report}");
    }

    #[test]
    fn a_row_stands_under_its_column_names() {
        let row = answered(200, 2).to_string();

        assert_eq!(
            row.find("200×1"),
            Report::TABLE_HEAD.find("statuses"),
            "{}\n{row}",
            Report::TABLE_HEAD
        );
    }
}
