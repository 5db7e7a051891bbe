//! A key prefix of one's own on the shared Memcached nodes. Memcached knows no databases, and forgets by itself.

use std::net::SocketAddr;

use futures_util::future::try_join_all;

use crate::docker::run;
use crate::error::Error;
use crate::namespace;
use crate::shared::{MEMCACHED_NODES, Member};

/// Three Memcached nodes, and the prefix that keeps one test's keys apart from another's.
#[derive(Debug)]
pub struct Memcached {
    nodes: Vec<SocketAddr>,
    prefix: String,
}

/// The shared nodes and a prefix of one's own.
pub async fn memcached() -> Result<Memcached, Error> {
    run(async {
        let nodes = (1..=MEMCACHED_NODES).map(|number| Member::Memcached(number).address());
        let nodes = try_join_all(nodes).await?;
        let prefix = format!("{}:", namespace::fresh().await?);
        Ok(Memcached { nodes, prefix })
    })
    .await
}

impl Memcached {
    /// Where the nodes listen, always in the same order.
    pub fn nodes(&self) -> &[SocketAddr] {
        &self.nodes
    }

    /// What every key has to begin with; fewer than 40 bytes.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}
