//! The chapter's tests, in one binary: data and sharding rule, then both seams on real PostgreSQL servers.

mod contracts;
mod data;
mod filling;
mod outages;
mod replication;
mod silence;
mod support;
mod transactions;
