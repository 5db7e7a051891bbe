//! What the store counts about itself, in the text format that Prometheus reads (`GET /metrics`).
//!
//! All roles of one process share one registry, so any of an embedded store's clones can answer for all. Clones in processes of their
//! own each answer for themselves, and whoever collects metrics asks them one by one, as Prometheus does. Left out: histograms of latency.

use std::sync::{Arc, OnceLock};

use ch01_clones::Balancer;
use ch01_clones::balancer::admin::UpstreamMetrics;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    cache_lookups: Family<CacheLabels, Counter>,
    notifications: Family<ChannelLabels, Counter>,
    orders: Family<ShardLabels, Gauge>,
    /// Set once the balancer stands; it needs the clones' addresses first.
    balancer: Arc<OnceLock<Arc<Balancer>>>,
}

/// Which request it was. The route is the pattern (`/games/{id}`) and not the path, or every id would be a time series.
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
    /// Counts an answer.
    pub fn request(&self, clone: &str, method: &str, route: &str, status: u16) {
        let labels = RequestLabels {
            clone: clone.to_owned(),
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a look into the cache: `hit`, `miss` or `bypass`.
    pub fn cache_lookup(&self, status: &str) {
        let status = status.to_owned();
        self.cache_lookups
            .get_or_create(&CacheLabels { status })
            .inc();
    }

    /// Counts a notice that was sent: `email` or `push`.
    pub fn notification(&self, channel: &str) {
        let channel = channel.to_owned();
        self.notifications
            .get_or_create(&ChannelLabels { channel })
            .inc();
    }

    /// From now on the balancer's own counters are shown too.
    pub fn set_balancer(&self, balancer: Arc<Balancer>) {
        // A second balancer in one process would be a mistake in `serve`; the first one stays.
        let _ = self.balancer.set(balancer);
    }

    /// All metrics as text. What other parts count themselves is asked for now: the orders of each shard from the caller, the
    /// upstreams from the balancer.
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

    fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "http_requests",
            "Requests that a clone has answered",
            self.requests.clone(),
        );
        registry.register(
            "cache_lookups",
            "How the product cache took part in answers",
            self.cache_lookups.clone(),
        );
        registry.register(
            "notifications",
            "Notices sent to customers",
            self.notifications.clone(),
        );
        registry.register("orders", "Orders that a shard holds", self.orders.clone());
        if let Some(balancer) = self.balancer.get() {
            registry.register_collector(Box::new(UpstreamMetrics(Arc::clone(balancer))));
        }
        registry
    }
}
