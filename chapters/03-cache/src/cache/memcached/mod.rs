//! Several Memcached nodes as one cache that all clones share.
//!
//! Memcached nodes do not know each other. The *client* computes the node of a key (`routing.rs`),
//! and every clone computes the same one. A second node doubles memory and throughput. A node that
//! dies loses only its own keys.
//!
//! **No fail-over.** While a node is down, commands for its keys fail, and
//! [`ProductCache`](crate::ProductCache) treats that as a miss. Using the next node instead would
//! return old values. A clone that alone cannot reach a node would invalidate on another node than
//! the one that the other clones read. And a node that was cut off but not restarted returns with
//! its old values. Facebook keeps spare nodes for such keys, with short times to live ("Scaling
//! Memcache at Facebook", NSDI 2013, section 3.3).
//!
//! This module also handles the limits of Memcached: long or unusual keys (`entry.rs`), times to
//! live that are not whole seconds or longer than 30 days, values over 1 MiB.

mod entry;
mod routing;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use memcache::exp::{AsyncMetaClient, Error, Ttl};

use super::{COMMAND_TIMEOUT, Cache, CacheError, is_answered};
use common::circuit_breaker::CircuitBreaker;
use entry::EntryName;

/// The longest time to live. Memcached interprets a larger number as seconds since 1970. A cache
/// may forget, so a shorter time is allowed.
const MAX_TTL: Duration = Duration::from_hours(30 * 24);

/// The longest key prefix, in bytes.
const MAX_PREFIX_BYTES: usize = 100;

/// A cache on several Memcached nodes (1.6 or later, for the meta protocol).
pub struct MemcachedCache {
    nodes: Vec<Node>,
    key_prefix: String,
}

struct Node {
    /// As configured, because the text takes part in routing.
    address: String,
    /// Pools connections, connects on demand, and closes a connection after an error.
    client: AsyncMetaClient,
    circuit_breaker: CircuitBreaker,
}

impl MemcachedCache {
    /// A cache on these nodes, such as `["10.0.0.1:11211", "10.0.0.2:11211"]`. All clones must use
    /// exactly the same address texts, in any order. Host names are resolved now and only once;
    /// nothing connects yet. All keys start with `key_prefix`: at most 100 printable ASCII
    /// characters without a space.
    pub async fn new(
        nodes: &[impl ToString],
        key_prefix: impl Into<String>,
    ) -> Result<Self, CacheError> {
        MemcachedCache::with_timeout(nodes, key_prefix, COMMAND_TIMEOUT).await
    }

    /// The same with another limit than [`COMMAND_TIMEOUT`]. A command that must connect first may
    /// take twice as long.
    pub async fn with_timeout(
        nodes: &[impl ToString],
        key_prefix: impl Into<String>,
        timeout: Duration,
    ) -> Result<Self, CacheError> {
        let key_prefix = key_prefix.into();
        let is_printable = key_prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if key_prefix.len() > MAX_PREFIX_BYTES || !is_printable {
            return Err(CacheError::Misconfigured(format!(
                "expected a key prefix of at most {MAX_PREFIX_BYTES} printable ASCII characters \
                 without a space, got {key_prefix:?}"
            )));
        }
        if nodes.is_empty() {
            let message = "expected at least one Memcached node as HOST:PORT, got none".to_owned();
            return Err(CacheError::Misconfigured(message));
        }
        let mut cache = MemcachedCache {
            nodes: Vec::new(),
            key_prefix,
        };
        for address in nodes {
            cache
                .nodes
                .push(Node::new(address.to_string(), timeout).await?);
        }
        Ok(cache)
    }

    /// The position of the node that holds this key, counted from 0 in the given order.
    pub fn node_of(&self, key: &str) -> usize {
        routing::node_of(key, self.nodes.iter().map(|node| node.address.as_str()))
    }

    fn locate(&self, key: &str) -> (&Node, EntryName) {
        let node = &self.nodes[self.node_of(key)];
        (node, EntryName::new(&self.key_prefix, key))
    }
}

impl Node {
    async fn new(address: String, timeout: Duration) -> Result<Self, CacheError> {
        // The lower of the library's two levels, because the upper one drops empty values.
        let builder = AsyncMetaClient::builder()
            .connect_timeout(Some(timeout))
            .io_timeout(Some(timeout));
        let client = builder
            .connect_async(address.as_str())
            .await
            .map_err(|error| {
                CacheError::Misconfigured(format!(
                    "expected a Memcached node as HOST:PORT, got {address:?} ({error})"
                ))
            })?;
        Ok(Node {
            address,
            client,
            circuit_breaker: CircuitBreaker::default(),
        })
    }

    /// Converts the library's result and records in the circuit breaker whether the node answered.
    fn record<T>(&self, reply: Result<T, Error>) -> Result<T, CacheError> {
        let reply = reply.map_err(CacheError::from);
        self.circuit_breaker.record(is_answered(&reply));
        reply
    }
}

impl From<Error> for CacheError {
    fn from(error: Error) -> Self {
        if is_rejection(&error) {
            CacheError::rejected(error)
        } else {
            CacheError::unavailable(error)
        }
    }
}

fn is_rejection(error: &Error) -> bool {
    match error {
        Error::Server(_) | Error::Rejected(_) | Error::Usage(_) => true,
        // The library's wrapper for every error after a write was sent, including a clear
        // rejection.
        Error::Ambiguous { source, .. } => is_rejection(source),
        _ => false,
    }
}

#[async_trait]
impl Cache for MemcachedCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let (node, entry) = self.locate(key);
        node.circuit_breaker.allow()?;
        let found = node.record(node.client.get(entry.name()).send().await)?;
        Ok(found.value.and_then(|stored| entry.decode(stored)))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        // For Memcached a time to live of zero means "for ever".
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        let (node, entry) = self.locate(key);
        node.circuit_breaker.allow()?;
        // Rounds up to whole seconds. Rounded down, half a second would store nothing.
        let ttl = Ttl::from(ttl.min(MAX_TTL));
        // A node that rejects the value (over 1 MiB, or no free memory) deletes the old one itself.
        let stored = node
            .client
            .set(entry.name(), entry.encode(&value))
            .ttl(ttl)
            .send()
            .await;
        node.record(stored).map(drop)
    }

    /// Ignores an open circuit: an old value that is not deleted now stays until it expires.
    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        let (node, entry) = self.locate(key);
        node.record(node.client.delete(entry.name()).send().await)
            .map(drop)
    }
}
