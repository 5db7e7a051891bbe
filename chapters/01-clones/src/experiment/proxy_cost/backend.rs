//! The backend behind every measured proxy: a server that responds at once.
//!
//! One process listens on several ports, so that a proxy has several upstreams. `GET /bytes/N` has
//! a body of N bytes.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use bytes::Bytes;
use ch01_clones::web::server;
use common::shutdown::signal as stop_signal;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The largest body.
const LARGEST: usize = 1 << 20;
static ZEROS: [u8; LARGEST] = [b'0'; LARGEST];

/// Listens on all these addresses and prints one line with each actual address.
pub async fn run(listen: Vec<SocketAddr>) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/readyz", get(async || "ready"))
        .route("/bytes/{count}", get(bytes));
    let mut servers = JoinSet::new();
    for address in listen {
        let listener = TcpListener::bind(address).await?;
        println!("the backend listens on http://{}", listener.local_addr()?);
        servers.spawn(server::run(listener, routes.clone(), stop_signal()));
    }
    servers.join_all().await;
    Ok(())
}

async fn bytes(Path(count): Path<usize>) -> Bytes {
    Bytes::from_static(&ZEROS[..count.min(LARGEST)])
}
