//! Several Memcached nodes as one cache that all clones share.
//!
//! Memcached nodes do not know of each other. It is the *client* that makes one cache of them: from the key it works out which
//! node holds it (`routing.rs`), and every clone works out the same one. A second node doubles the memory and the work that can
//! be done, and a node that dies takes its own keys along and no others.
//!
//! **No fail-over.** While a node is away, its keys are errors, which [`ProductCache`](crate::ProductCache) treats as misses.
//! Sending them to the next node instead would be worse than a miss. A clone that alone cannot reach the node would invalidate
//! on one node what the other clones read from another. And a node that was cut off, and not restarted, returns with what it
//! held before: its keys go back to it, and everything that was changed meanwhile is old there. Facebook keeps spare nodes for
//! such keys, and short times to live on them ("Scaling Memcache at Facebook", NSDI 2013, section 3.3).
//!
//! What Memcached cannot hold is handled here: long and strange keys (`slot.rs`), times to live that are not whole seconds or
//! longer than 30 days, values over 1 MiB. Left out: adding a node while the store runs, names that move to another address
//! (they are looked up once), a limit on connections, leases, and reading several keys at once. What
//! [`RedisCache`](crate::redis_cache) confesses about a `delete` that fails, and a `set` that comes late, is true here too.

mod routing;
mod slot;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use memcache::exp::{AsyncMetaClient, Error, Ttl};

use crate::cache::{Cache, CacheError, PATIENCE};
use crate::outage::Outage;
use slot::Slot;

/// Memcached reads more than this as seconds since 1970. A cache may forget, so nothing is lost by forgetting after 30 days, and
/// nobody's clock has to be right.
const LONGEST_TTL: Duration = Duration::from_hours(30 * 24);

/// A cache on several Memcached nodes (1.6 or later, for the meta protocol).
pub struct MemcachedCache {
    nodes: Vec<Node>,
    prefix: String,
}

struct Node {
    /// As configured, because it takes part in routing.
    address: String,
    /// Pools its connections, connects when it has to, and drops a connection on which something went wrong.
    client: AsyncMetaClient,
    outage: Outage,
}

impl MemcachedCache {
    /// A cache on these nodes, such as `["10.0.0.1:11211", "10.0.0.2:11211"]`. All clones must be given the same addresses,
    /// letter for letter, in whatever order. Names are looked up now; nothing is connected yet. All keys begin with `prefix`:
    /// up to 100 printable ASCII characters without a space, or none.
    pub async fn new(
        nodes: &[impl ToString],
        prefix: impl Into<String>,
    ) -> Result<Self, CacheError> {
        MemcachedCache::with_patience(nodes, prefix, PATIENCE).await
    }

    /// The same, with another limit than [`PATIENCE`]. A call that has to connect first may wait twice as long.
    pub async fn with_patience(
        nodes: &[impl ToString],
        prefix: impl Into<String>,
        patience: Duration,
    ) -> Result<Self, CacheError> {
        let prefix = prefix.into();
        if prefix.len() > 100 || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CacheError::Misconfigured(format!(
                "{prefix:?} cannot begin a key in Memcached; take at most 100 printable ASCII characters and no space"
            )));
        }
        if nodes.is_empty() {
            let none = "no Memcached node is named; give at least one HOST:PORT".to_owned();
            return Err(CacheError::Misconfigured(none));
        }
        let mut cache = MemcachedCache {
            nodes: Vec::new(),
            prefix,
        };
        for address in nodes {
            cache
                .nodes
                .push(Node::new(address.to_string(), patience).await?);
        }
        Ok(cache)
    }

    /// The number of the node that holds this key, counted from 0 in the order in which the nodes were given.
    pub fn node_of(&self, key: &str) -> usize {
        routing::node_of(key, self.nodes.iter().map(|node| node.address.as_str()))
    }

    fn node_and_slot(&self, key: &str) -> (&Node, Slot) {
        (&self.nodes[self.node_of(key)], Slot::new(&self.prefix, key))
    }
}

impl Node {
    async fn new(address: String, patience: Duration) -> Result<Self, CacheError> {
        // The lower of the library's two levels: the upper one does not keep empty values.
        let builder = AsyncMetaClient::builder()
            .connect_timeout(Some(patience))
            .io_timeout(Some(patience));
        let client = builder
            .connect_async(address.as_str())
            .await
            .map_err(|error| {
                CacheError::Misconfigured(format!(
                    "{address:?} does not name a Memcached node ({error}); expected HOST:PORT"
                ))
            })?;
        Ok(Node {
            address,
            client,
            outage: Outage::default(),
        })
    }

    /// Translates the library's answer, and remembers whether there was one.
    fn learn<T>(&self, answer: Result<T, Error>) -> Result<T, CacheError> {
        let answer = answer.map_err(|error| {
            if is_refusal(&error) {
                CacheError::refused(error)
            } else {
                CacheError::unavailable(error)
            }
        });
        self.outage.learn(&answer);
        answer
    }
}

fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Server(_) | Error::Rejected(_) | Error::Usage(_) => true,
        // So the library calls everything that comes after a write was sent, a clear "no" included.
        Error::Ambiguous { source, .. } => is_refusal(source),
        _ => false,
    }
}

#[async_trait]
impl Cache for MemcachedCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let (node, slot) = self.node_and_slot(key);
        node.outage.admits()?;
        let found = node.learn(node.client.get(slot.name()).send().await)?;
        Ok(found.value.and_then(|stored| slot.open(stored)))
    }

    async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), CacheError> {
        // To Memcached a time to live of zero means for ever.
        if ttl.is_zero() {
            return self.delete(key).await;
        }
        let (node, slot) = self.node_and_slot(key);
        node.outage.admits()?;
        // Rounds up to whole seconds. Rounded down, half a second would keep nothing, and nobody would know why.
        let ttl = Ttl::from(ttl.min(LONGEST_TTL));
        // A node that refuses the new value, because it is over 1 MiB or there is no memory to be had, drops the old one by
        // itself.
        let stored = node
            .client
            .set(slot.name(), slot.seal(&value))
            .ttl(ttl)
            .send()
            .await;
        node.learn(stored).map(drop)
    }

    /// Tries even while reads are turned away: what is not deleted now is served until it expires.
    async fn delete(&self, key: &str) -> Result<(), CacheError> {
        let (node, slot) = self.node_and_slot(key);
        node.learn(node.client.delete(slot.name()).send().await)
            .map(drop)
    }
}
