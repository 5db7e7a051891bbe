//! Sharding by the database engine: what PostgreSQL and its extensions offer instead of our own
//! routing.

pub mod citus;
pub mod foreign_tables;
