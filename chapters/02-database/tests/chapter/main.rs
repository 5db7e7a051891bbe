//! The chapter's tests in one binary: generator and sharding in memory, everything else on real
//! PostgreSQL servers.

mod bucket_mover;
mod citus;
mod claims;
mod contracts;
mod failover;
mod foreign_tables;
mod generator;
mod histories;
mod network_faults;
mod patroni;
mod pins;
mod product_page;
mod query_plans;
mod read_only;
mod read_tokens;
mod rebalance;
mod rebalance_compare;
mod rebalance_crashes;
mod rebalance_handover;
mod rebalance_limits;
mod rebalance_plan;
mod replication;
mod restarted_replica;
mod rotation;
mod seeding;
mod server_failures;
mod shard_map;
mod shard_schema;
mod sharding;
mod store_failover;
mod support;
mod transactions;
mod unknown_outcomes;
