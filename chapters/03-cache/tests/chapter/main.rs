//! The chapter's tests: cache-aside by itself, the contract of every cache, and what happens when a
//! real one goes away.
//!
//! Redis and Memcached are real. Most tests share servers that stay up between runs; a few kill a
//! server of their own.

/// Shared with the demonstration.
#[path = "../../src/demo/counting_catalog.rs"]
mod counting_catalog;

mod clones;
mod contract;
mod games;
mod line;
mod memcached;
mod postgres;
mod product;
mod redis;
mod support;
