//! The role that clients talk to: chapter 1's balancer in front of the clones.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use ch01_clones::balancer::admin::METRICS_CONTENT_TYPE;
use ch01_clones::web::{problem, server};
use ch01_clones::{Balancer, Problem, Upstream, balancer};
use ch02_database::Orders;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Binds the address, with a sentence that helps when that fails.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        let port = listen.port();
        format!(
            "cannot listen on {listen}; if port {port} is in use, stop the other program or choose another port with --listen {}:0",
            listen.ip()
        )
    })
}

/// A balancer over clones, each with its name.
pub fn over(clones: &[(String, SocketAddr)]) -> Arc<Balancer> {
    let upstreams = clones
        .iter()
        .map(|(name, addr)| Upstream::new(name, *addr))
        .collect();
    Arc::new(Balancer::new(upstreams))
}

/// Balances until `shutdown` resolves and the requests in flight are answered.
pub async fn run(
    listener: TcpListener,
    balancer: Arc<Balancer>,
    shutdown: impl Future<Output = ()> + Send,
) {
    balancer::run(listener, balancer, shutdown).await;
}

/// Serves `GET /metrics` about the balancer on a port of its own, for clones that run elsewhere cannot tell.
pub async fn tell(
    listener: TcpListener,
    metrics: Metrics,
    orders: Arc<dyn Orders>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = Router::new().route("/metrics", get(encoded));
    let router = problem::fallbacks(router).with_state((metrics, orders));
    server::run(listener, router, shutdown).await;
}

async fn encoded(
    State((metrics, orders)): State<(Metrics, Arc<dyn Orders>)>,
) -> Result<([(http::HeaderName, &'static str); 1], String), Problem> {
    let counts = orders.count_by_shard().await;
    let counts = counts
        .map_err(|_| Problem::unavailable("a shard does not answer; try again in a second"))?;
    Ok((
        [(CONTENT_TYPE, METRICS_CONTENT_TYPE)],
        metrics.encode(&counts),
    ))
}
