//! The whole store over HTTP, through its balancer.

#[path = "contract/mod.rs"]
mod on_embedded_services;
#[path = "contract/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "both kinds of store have the same contract"
)]
mod on_external_services;

mod citus;
mod commands;
mod containers;
mod disconnects;
mod embedded;
mod hung_clone;
mod interfaces;
mod late_replica;
mod lifecycle;
mod lost_files;
mod redis_away;
mod role_tasks;
mod startup_errors;
mod support;
