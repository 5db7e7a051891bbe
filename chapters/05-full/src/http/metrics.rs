//! The metrics of one process, in the OpenMetrics text format (`GET /metrics`).
//!
//! All roles of a process share one registry. With one process for each clone, Prometheus has to
//! scrape each of them.

use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse, Response};
use ch01_clones::Balancer;
use ch01_clones::balancer::admin::{METRICS_CONTENT_TYPE, UpstreamMetrics};
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    cache_lookups: Family<CacheLabels, Counter>,
    notifications: Family<ChannelLabels, Counter>,
    orders: Family<ShardLabels, Gauge>,
    /// Set when the balancer is created, which happens after the clones have started.
    balancer: Arc<OnceLock<Arc<Balancer>>>,
}

/// The route is the pattern (`/games/{id}`). The path would make a time series for each game.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    clone: String,
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabels {
    shard: usize,
}

impl Metrics {
    /// Counts a response.
    pub fn count_request(&self, clone: &str, method: &str, route: &str, status: u16) {
        let labels = RequestLabels {
            clone: clone.to_owned(),
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a cache lookup by its result: `hit`, `miss` or `bypass`.
    pub fn count_cache_lookup(&self, status: &str) {
        let status = status.to_owned();
        self.cache_lookups
            .get_or_create(&CacheLabels { status })
            .inc();
    }

    /// Counts a notification by its channel: `email` or `push`.
    pub fn count_notification(&self, channel: &str) {
        let channel = channel.to_owned();
        self.notifications
            .get_or_create(&ChannelLabels { channel })
            .inc();
    }

    /// Adds the metrics of the balancer's upstreams.
    pub fn set_balancer(&self, balancer: Arc<Balancer>) {
        // A process has one balancer. A second call has no effect.
        let _ = self.balancer.set(balancer);
    }

    /// All metrics as text. The caller counts the orders of each shard.
    pub fn encode(&self, orders_by_shard: &[u64]) -> String {
        for (shard, count) in orders_by_shard.iter().enumerate() {
            self.orders
                .get_or_create(&ShardLabels { shard })
                .set(count.cast_signed());
        }
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing to a String cannot fail");
        text
    }

    /// The response to `GET /metrics`.
    pub fn response(&self, orders_by_shard: &[u64]) -> Response {
        (
            [(CONTENT_TYPE, METRICS_CONTENT_TYPE)],
            self.encode(orders_by_shard),
        )
            .into_response()
    }

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "http_requests",
            "Responses that a clone has sent",
            self.requests.clone(),
        );
        registry.register(
            "cache_lookups",
            "Lookups in the product cache",
            self.cache_lookups.clone(),
        );
        registry.register(
            "notifications",
            "Notifications sent to customers",
            self.notifications.clone(),
        );
        registry.register("orders", "Orders on a shard", self.orders.clone());
        if let Some(balancer) = self.balancer.get() {
            registry.register_collector(Box::new(UpstreamMetrics(Arc::clone(balancer))));
        }
        registry
    }
}
