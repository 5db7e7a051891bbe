//! Chapter 3: caching. Reads that the database does not have to answer.
//!
//! The trait [`Cache`] hides where the values are: in a map of this process ([`MemoryCache`]), in
//! Redis ([`RedisCache`]) or on several Memcached nodes ([`MemcachedCache`]). On top of it,
//! [`ProductCache`] caches the whole product as one *object*, reads it *cache-aside* and deletes it
//! when the product changes. It reads through chapter 2's [`Catalog`](ch02_database::Catalog) and
//! does not know which database answers.
//!
//! | module | technique |
//! |---|---|
//! | [`cache`] | the interface, and its three implementations |
//! | [`object_cache`] | cache-aside and invalidation of a product |
//! | `common::circuit_breaker` | no waiting for a cache server that has just failed |
//! | [`contract`] | tests for every implementation of [`Cache`] |
//!
//! Left out:
//! * Cached queries, `add`, compare-and-swap, counters, and reading several keys at once.
//! * Processes that share a cache: the race that [`object_cache`] prevents within one process is
//!   open between processes. A lease would close it.
//! * A stampede: many readers that miss at the same time all ask the database.
//! * Redis replicas and Redis Cluster; adding a Memcached node while the store runs; nodes of
//!   different sizes; a limit on connections.
//! * Two ways in which an old value stays until its time to live ends: a `delete` fails and the
//!   server returns with its data, or a `set` that timed out arrives after a later `delete`.
//! * Cache servers that are slow but answer in time.

pub mod cache;
pub mod contract;
pub mod object_cache;

pub use cache::{Cache, CacheError, MemcachedCache, MemoryCache, RedisCache};
pub use object_cache::{CacheStatus, Lookup, ProductCache};
