//! The metrics of one process, in the OpenMetrics text format (`GET /metrics`).
//!
//! All roles of a process share one registry. With one process for each clone, Prometheus has to
//! scrape each of them.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use ch01_clones::Balancer;
use ch01_clones::balancer::admin::{METRICS_CONTENT_TYPE, UpstreamMetrics};
use ch02_database::Orders;
use http::header::CONTENT_TYPE;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout_at};

/// The orders are counted at most once in this time, however often the metrics are read.
const COUNT_INTERVAL: Duration = Duration::from_secs(15);

/// How long the first request waits for the first count.
const FIRST_COUNT_TIMEOUT: Duration = Duration::from_secs(2);

/// The metrics of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    cache_lookups: Family<CacheLabels, Counter>,
    notifications: Family<ChannelLabels, Counter>,
    orders: Family<ShardLabels, Gauge>,
    /// When the orders were counted last.
    orders_counted: Arc<Mutex<Option<Instant>>>,
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

fn set_orders(gauges: &Family<ShardLabels, Gauge>, counts: &[u64]) {
    for (shard, count) in counts.iter().enumerate() {
        gauges
            .get_or_create(&ShardLabels { shard })
            .set(count.cast_signed());
    }
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

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry()).expect("writing to a String cannot fail");
        text
    }

    /// The response to `GET /metrics`. It reports the last known numbers if a shard is away.
    pub async fn response(&self, orders: &Arc<dyn Orders>) -> Response {
        self.count_orders(orders).await;
        ([(CONTENT_TYPE, METRICS_CONTENT_TYPE)], self.encode()).into_response()
    }

    /// Counts the orders in the background, unless the last count is recent. Only the first request
    /// waits for its count.
    ///
    /// A count reads all rows of all shards, so the cost must not grow with the number of scrapes.
    async fn count_orders(&self, orders: &Arc<dyn Orders>) {
        let now = Instant::now();
        let is_first = {
            let mut counted = self.orders_counted.lock();
            if counted.is_some_and(|last| now - last < COUNT_INTERVAL) {
                return;
            }
            counted.replace(now).is_none()
        };
        let (gauges, orders) = (self.orders.clone(), orders.clone());
        let counting = tokio::spawn(async move {
            match orders.count_by_shard().await {
                Ok(counts) => set_orders(&gauges, &counts),
                Err(error) => {
                    let error = &error as &dyn Error;
                    tracing::warn!(error, "cannot count the orders for the metrics");
                }
            }
        });
        if is_first {
            let _ = timeout_at(now + FIRST_COUNT_TIMEOUT, counting).await;
        }
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
        registry.register(
            "orders",
            "Orders on a shard, counted every 15 seconds at most",
            self.orders.clone(),
        );
        if let Some(balancer) = self.balancer.get() {
            registry.register_collector(Box::new(UpstreamMetrics(Arc::clone(balancer))));
        }
        registry
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use ch02_database::StoreError;
    use ch02_database::model::{NewOrder, Order, OrderId, PlaceOutcome};
    use ch02_database::orders::{Gathered, OrderFilter, OrderSort, OrderTotals};
    use ch02_database::sharding::ShardId;

    use super::*;

    /// Orders that count how often they are counted.
    #[derive(Default)]
    struct CountedOrders(AtomicU64);

    #[async_trait::async_trait]
    impl Orders for CountedOrders {
        async fn place(&self, _: &NewOrder) -> Result<PlaceOutcome, StoreError> {
            unreachable!("the metrics place no order")
        }
        async fn get(&self, _: OrderId) -> Result<Option<Order>, StoreError> {
            unreachable!("the metrics read no order")
        }
        async fn list_by_customer(
            &self,
            _: &str,
            _: Option<OrderId>,
            _: usize,
        ) -> Result<Vec<Order>, StoreError> {
            unreachable!("the metrics list no orders")
        }
        async fn search(
            &self,
            _: &OrderFilter,
            _: OrderSort,
            _: Option<OrderId>,
            _: usize,
        ) -> Result<Gathered<Vec<Order>>, StoreError> {
            unreachable!("the metrics search no orders")
        }
        async fn totals(&self, _: &OrderFilter) -> Result<Gathered<OrderTotals>, StoreError> {
            unreachable!("the metrics sum no orders")
        }
        async fn count_by_shard(&self) -> Result<Vec<u64>, StoreError> {
            Ok(vec![self.0.fetch_add(1, Ordering::SeqCst) + 1])
        }
        fn shard_of_customer(&self, _: &str) -> ShardId {
            0
        }
        fn shard_of_order(&self, _: OrderId) -> ShardId {
            0
        }
    }

    #[tokio::test]
    async fn frequent_scrapes_share_one_count_of_orders() {
        let (metrics, counted) = (Metrics::default(), Arc::new(CountedOrders::default()));
        let orders: Arc<dyn Orders> = counted.clone();
        for _ in 0..100 {
            metrics.response(&orders).await;
            assert!(metrics.encode().contains("orders{shard=\"0\"} 1\n"));
        }
        assert_eq!(
            counted.0.load(Ordering::SeqCst),
            1,
            "each scrape counts all rows of all shards"
        );

        *metrics.orders_counted.lock() = Some(Instant::now() - COUNT_INTERVAL);
        metrics.response(&orders).await;
        let second_count = async {
            while !metrics.encode().contains("orders{shard=\"0\"} 2\n") {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), second_count)
            .await
            .expect("the orders are not counted again after the interval");
    }
}
