//! The role that clients connect to: the balancer of chapter 1 in front of the clones.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use ch01_clones::Balancer;
pub use ch01_clones::balancer::run;
use ch01_clones::balancer::{Config, UpstreamConfig};
use ch01_clones::web::{problem, server};
use ch02_database::Orders;
use tokio::net::TcpListener;

use crate::http::metrics::Metrics;
use crate::roles::task::RoleTask;

/// Binds the address. The error says what to do if the port is in use.
pub async fn bind(listen: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!(
            "cannot listen on {listen}; if port {} is in use, stop the other program or choose \
             another port with --listen {}:0",
            listen.port(),
            listen.ip()
        )
    })
}

/// A balancer for these clones, each with its name. Its settings are the defaults of chapter 1:
/// probes, ejection, time-outs, retries, and a limit of requests in flight.
pub fn balancer(clones: &[(String, SocketAddr)]) -> anyhow::Result<Arc<Balancer>> {
    let upstreams = clones.iter().map(|(name, addr)| UpstreamConfig {
        name: name.clone(),
        addr: *addr,
        weight: 1,
    });
    let config = Config {
        upstreams: upstreams.collect(),
        ..Config::default()
    };
    Ok(Arc::new(config.build()?))
}

/// Starts the balancer in its own task.
pub fn start(listener: TcpListener, balancer: Arc<Balancer>) -> io::Result<RoleTask> {
    RoleTask::start_server("balancer", listener, move |listener, stop| {
        run(listener, balancer.clone(), stop)
    })
}

/// Serves `GET /metrics` of the balancer on its own port. Clones in other processes do not have
/// these metrics.
pub async fn serve_metrics(
    listener: TcpListener,
    metrics: Metrics,
    orders: Arc<dyn Orders>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let router = Router::new().route("/metrics", get(respond));
    let router = problem::fallbacks(router).with_state((metrics, orders));
    server::run(listener, router, shutdown).await;
}

async fn respond(State((metrics, orders)): State<(Metrics, Arc<dyn Orders>)>) -> Response {
    metrics.response(&orders).await
}
