//! What the balancer counts about its clones, as Prometheus reads it.
//!
//! A [`Collector`] that looks at the balancer whenever somebody asks, so that nothing is counted twice. [`admin`](super::admin) shows it at
//! `GET /metrics`; a larger server registers it beside its own metrics. The names keep to Prometheus' conventions: base units
//! (seconds), and `_total` for what only grows.
//!
//! Left out: metrics by path or by visitor. Each value of a label is a time series of its own, and those have no end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Balancer, UpstreamStatus};

/// What the text is: OpenMetrics, which Prometheus reads as it reads its own older format.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The upper bounds of the histogram's buckets, in seconds. Each is some two and a half times the one before, and there is one more for what is above.
const BOUNDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// How long answers took, in buckets. Those of two balancers can be added up, which averages and quantiles cannot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    seconds: f64,
    buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    pub(super) fn observe(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.seconds += took;
        self.buckets[BOUNDS.partition_point(|bound| *bound < took)] += 1;
    }

    /// How many answers there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// Tells about all clones of a balancer.
#[derive(Debug)]
pub struct UpstreamMetrics(pub Arc<Balancer>);

impl UpstreamMetrics {
    /// The text of a balancer that has no other metrics beside it.
    pub fn text(balancer: &Arc<Balancer>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(UpstreamMetrics(Arc::clone(balancer))));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a String cannot fail");
        text
    }
}

impl Collector for UpstreamMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut told = Told {
            clones: self.0.status(),
            encoder,
        };
        told.gauge(
            "upstream_up",
            "Whether the balancer sends requests to this clone",
            |one| i64::from(one.is_up),
        )?;
        told.gauge(
            "upstream_in_flight",
            "Requests that this clone has and has not finished",
            |one| one.in_flight as i64,
        )?;
        told.gauge(
            "upstream_weight",
            "How much this clone carries, compared with the others",
            |one| i64::from(one.weight),
        )?;
        told.gauge(
            "upstream_expected_latency_seconds",
            "How long this clone is expected to take, as the strategy peak-ewma sees it",
            |one| one.latency.as_secs_f64(),
        )?;
        told.counter(
            "upstream_requests",
            "Requests sent to this clone, repeated ones included",
            |one| one.requests,
        )?;
        told.counter(
            "upstream_failures",
            "Requests that this clone did not answer",
            |one| one.failures,
        )?;
        told.counter(
            "upstream_errors",
            "Requests that this clone answered with 500, 502 or 504",
            |one| one.errors,
        )?;
        told.counter(
            "upstream_retries",
            "Requests sent to this clone after another one had failed",
            |one| one.retries,
        )?;
        told.counter(
            "upstream_ejections",
            "How often this clone was taken out, by failures or by probes",
            |one| one.ejections,
        )?;
        told.histogram()
    }
}

/// One look at all clones, and where it is written.
struct Told<'a> {
    clones: Vec<UpstreamStatus>,
    encoder: DescriptorEncoder<'a>,
}

impl Told<'_> {
    fn gauge<N>(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&UpstreamStatus) -> N,
    ) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        self.each(name, help, MetricType::Gauge, |one| {
            ConstGauge::new(value(one))
        })
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&UpstreamStatus) -> u64,
    ) -> fmt::Result {
        self.each(name, help, MetricType::Counter, |one| {
            ConstCounter::new(value(one))
        })
    }

    fn each<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        metric: impl Fn(&UpstreamStatus) -> M,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for clone in &self.clones {
            let labels = [("upstream", clone.name.as_str())];
            metric(clone).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn histogram(&mut self) -> fmt::Result {
        let help = "How long this clone took to the head of its answer";
        let mut family = self.encoder.encode_descriptor(
            "upstream_response_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        for clone in &self.clones {
            let labels = [("upstream", clone.name.as_str())];
            let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(clone.responses.buckets).collect();
            let (sum, count) = (clone.responses.seconds, clone.responses.count());
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Upstream;
    use super::*;

    #[test]
    fn every_clone_has_every_metric() {
        let upstream = |n: u16| {
            Upstream::new(format!("clone-{n}"), ([127, 0, 0, 1], n).into())
                .with_weight(u32::from(n))
        };
        let balancer = Arc::new(Balancer::new((1..=2).map(upstream).collect()));
        let text = UpstreamMetrics::text(&balancer);
        for line in [
            "upstream_up{upstream=\"clone-1\"} 1",
            "upstream_weight{upstream=\"clone-2\"} 2",
            "upstream_requests_total{upstream=\"clone-2\"} 0",
            "upstream_ejections_total{upstream=\"clone-1\"} 0",
            "upstream_response_seconds_bucket{le=\"+Inf\",upstream=\"clone-1\"} 0",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn an_answer_counts_in_the_bucket_that_it_fits_into() {
        let mut histogram = Histogram::default();
        for micros in [900, 1_000, 1_001, 6_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(histogram.count(), 4);
    }
}
