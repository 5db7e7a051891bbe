//! The subcommands. Each server binds its address, prints it in its first line, and runs until it
//! is asked to stop.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

pub mod balancer;
pub mod clone;
pub mod runtime;
pub mod serve;

/// Binds the address. The error says what to do.
async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| {
        format!(
            "{what} cannot listen on {address}; stop the program that listens there, or choose another address"
        )
    })
}
