//! The testbed with real servers.

mod dedicated;
mod fault;
mod postgres_cluster;
mod program;
mod shared;
