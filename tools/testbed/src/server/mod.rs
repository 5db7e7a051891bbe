//! The servers in containers: shared by all tests, or dedicated to one test.

pub(crate) mod dedicated;
pub(crate) mod patroni_cluster;
pub(crate) mod postgres_cluster;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod shared;
