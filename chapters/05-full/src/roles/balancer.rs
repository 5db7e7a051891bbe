//! The role that clients talk to: chapter 1's balancer in front of the clones.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use ch01_clones::{Balancer, Upstream, balancer};
use tokio::net::TcpListener;

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
    let upstreams = clones.iter().map(|(name, addr)| Upstream::new(name, *addr)).collect();
    Arc::new(Balancer::new(upstreams))
}

/// Balances until `shutdown` resolves and the requests in flight are answered.
pub async fn run(listener: TcpListener, balancer: Arc<Balancer>, shutdown: impl Future<Output = ()> + Send) {
    balancer::run(listener, balancer, shutdown).await;
}
