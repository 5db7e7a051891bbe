//! Chapter 3: the fastest query is the one that is not made.
//!
//! This crate owns the [`Cache`] seam (a key, some bytes, a time to live), its single-machine version [`MemoryCache`], and
//! the technique on top of it: the whole product as one *cached object*, read *cache-aside*, dropped when it
//! changes ([`ProductCache`]). It reads through chapter 2's [`Catalog`](ch02_database::Catalog) and knows nothing of databases.
//!
//! Left out at this stage: Redis and Memcached behind the same seam, cached queries, leases against the race that
//! [`product`] closes for one process only.

pub mod cache;
pub mod memory;
pub mod product;

pub use cache::{Cache, CacheError};
pub use memory::MemoryCache;
pub use product::{CacheStatus, Lookup, ProductCache};
