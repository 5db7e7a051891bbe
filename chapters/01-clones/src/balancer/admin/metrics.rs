//! The balancer's metrics in the format of Prometheus.
//!
//! A [`Collector`] reads the balancer's status at each scrape, so there is only one set of
//! counters. The admin API serves it at `GET /metrics`; a larger server can register it with its
//! own metrics. The names follow Prometheus' conventions: base units (seconds), and `_total` for
//! counters.
//!
//! Left out: metrics by path or by client. Each value of a label creates a time series, and their
//! number would have no limit.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::balancer::load_balancer::Balancer;
use crate::balancer::upstream::UpstreamStatus;

/// The media type of OpenMetrics. Prometheus reads it like its own older format.
pub const METRICS_CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Collects the metrics of a balancer and of all its clones.
#[derive(Debug)]
pub struct UpstreamMetrics(pub Arc<Balancer>);

impl UpstreamMetrics {
    /// The metrics of one balancer as text.
    pub fn text(balancer: &Arc<Balancer>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(UpstreamMetrics(Arc::clone(balancer))));
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a String cannot fail");
        text
    }
}

impl Collector for UpstreamMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let local_errors = ConstCounter::new(self.0.local_errors());
        local_errors.encode(encoder.encode_descriptor(
            "balancer_local_errors",
            "Connections to clones that the balancer itself could not open",
            None,
            MetricType::Counter,
        )?)?;
        let mut writer = MetricsWriter {
            clones: self.0.status(),
            encoder,
        };
        writer.gauge(
            "upstream_up",
            "Whether the balancer sends requests to this clone",
            |clone| i64::from(clone.is_up),
        )?;
        writer.gauge(
            "upstream_in_flight",
            "Requests that this clone has not finished",
            |clone| clone.in_flight as i64,
        )?;
        writer.gauge(
            "upstream_weight",
            "Capacity of this clone, compared with the other clones",
            |clone| i64::from(clone.weight),
        )?;
        writer.gauge(
            "upstream_expected_latency_seconds",
            "Expected time to the response's head, as the strategy peak-ewma estimates it",
            |clone| clone.latency.as_secs_f64(),
        )?;
        writer.counter(
            "upstream_requests",
            "Requests sent to this clone, retries included",
            |clone| clone.requests,
        )?;
        writer.counter(
            "upstream_failures",
            "Attempts at this clone without a response",
            |clone| clone.failures,
        )?;
        writer.counter(
            "upstream_errors",
            "Responses of this clone with 500, 502 or 504",
            |clone| clone.errors,
        )?;
        writer.counter(
            "upstream_retries",
            "Requests sent to this clone after another clone had failed",
            |clone| clone.retries,
        )?;
        writer.counter(
            "upstream_ejections",
            "How often this clone was ejected or marked as down",
            |clone| clone.ejections,
        )?;
        writer.response_times()
    }
}

/// Writes the metrics of one scrape.
struct MetricsWriter<'a> {
    clones: Vec<UpstreamStatus>,
    encoder: DescriptorEncoder<'a>,
}

impl MetricsWriter<'_> {
    fn gauge<N>(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&UpstreamStatus) -> N,
    ) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        self.for_each_clone(name, help, MetricType::Gauge, |clone| {
            ConstGauge::new(value(clone))
        })
    }

    fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&UpstreamStatus) -> u64,
    ) -> fmt::Result {
        self.for_each_clone(name, help, MetricType::Counter, |clone| {
            ConstCounter::new(value(clone))
        })
    }

    fn for_each_clone<M: EncodeMetric>(
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

    fn response_times(&mut self) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(
            "upstream_response_seconds",
            "Time to the head of this clone's response",
            None,
            MetricType::Histogram,
        )?;
        for clone in &self.clones {
            let labels = [("upstream", clone.name.as_str())];
            let times = &clone.response_times;
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    times.sum_seconds(),
                    times.count(),
                    &times.buckets(),
                    None,
                )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::upstream::Upstream;

    #[test]
    fn every_clone_has_every_metric() {
        let upstream = |n: u16| {
            Upstream::new(format!("clone-{n}"), ([127, 0, 0, 1], n).into())
                .with_weight(u32::from(n))
        };
        let balancer = Arc::new(Balancer::new((1..=2).map(upstream).collect()));
        let text = UpstreamMetrics::text(&balancer);
        for line in [
            "balancer_local_errors_total 0",
            "upstream_up{upstream=\"clone-1\"} 1",
            "upstream_weight{upstream=\"clone-2\"} 2",
            "upstream_requests_total{upstream=\"clone-2\"} 0",
            "upstream_ejections_total{upstream=\"clone-1\"} 0",
            "upstream_response_seconds_bucket{le=\"+Inf\",upstream=\"clone-1\"} 0",
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "the line `{line}` is missing in\n{text}"
            );
        }
    }
}
