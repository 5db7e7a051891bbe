//! The chapter's tests: cache-aside in memory, the contract of every cache, and failing servers.
//!
//! Redis and Memcached are real. Most tests share servers that stay up between runs. Tests that
//! kill a server start their own.

/// Shared with the demonstration.
#[path = "../../src/demo/counting_catalog.rs"]
mod counting_catalog;

mod clones;
mod contract;
mod games;
mod late_catalog;
mod late_replica;
mod memcached;
mod postgres;
mod product;
mod redis;
mod redis_proxy;
mod support;
