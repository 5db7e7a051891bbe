//! A key prefix for one test on the shared Memcached nodes.
//!
//! Memcached has no databases. It removes old keys by itself, so there is nothing to clean up.

use std::net::SocketAddr;

use futures_util::future::try_join_all;

use crate::docker;
use crate::error::Error;
use crate::namespace;
use crate::server::shared::{MEMCACHED_NODES, SharedServer};

/// Three Memcached nodes, and a prefix that separates the keys of one test from all others.
#[derive(Debug)]
pub struct Memcached {
    nodes: Vec<SocketAddr>,
    prefix: String,
}

/// The shared nodes and a new prefix.
pub async fn memcached() -> Result<Memcached, Error> {
    docker::run(async {
        let nodes = (1..=MEMCACHED_NODES).map(|number| SharedServer::Memcached(number).address());
        let nodes = try_join_all(nodes).await?;
        let prefix = format!("{}:", namespace::fresh_name().await?);
        Ok(Memcached { nodes, prefix })
    })
    .await
}

impl Memcached {
    /// The nodes' addresses, always in the same order.
    pub fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// The prefix for every key of this test; fewer than 40 bytes.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}
