//! Chapter 3: the fastest query is the one that is not made.
//!
//! This crate owns the [`Cache`] seam (a key, some bytes, a time to live), its single-machine version [`MemoryCache`], the two
//! that clones can share, [`RedisCache`] and [`MemcachedCache`], and the technique on top of them: the whole product as one
//! *cached object*, read *cache-aside*, dropped when it changes ([`ProductCache`]). It reads through chapter 2's
//! [`Catalog`](ch02_database::Catalog) and knows nothing of databases.
//!
//! Left out at this stage: cached queries, and leases against the race that [`product`] closes for one process only.

pub mod cache;
pub mod contract;
pub mod memcached;
pub mod memory;
mod outage;
pub mod product;
pub mod redis_cache;

pub use cache::{Cache, CacheError};
pub use memcached::MemcachedCache;
pub use memory::MemoryCache;
pub use product::{CacheStatus, Lookup, ProductCache};
pub use redis_cache::RedisCache;
