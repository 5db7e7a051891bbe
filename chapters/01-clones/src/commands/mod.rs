//! What this program can be: a clone, a balancer, or a whole site of both.
//!
//! Each role binds its address, says so in its first line, and runs until it is told to stop. Left out: roles of other chapters.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;

pub mod balancer;
pub mod clone;
pub mod runtime;
pub mod serve;

/// Binds the address, with a sentence that helps when that fails.
async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| {
        format!(
            "{what} cannot listen on {address}; stop what listens there, or choose another address"
        )
    })
}
