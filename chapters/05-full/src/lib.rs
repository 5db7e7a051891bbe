//! Chapter 5: the whole store. A balancer, clones, workers and a publisher, composed from the four chapters before.
//!
//! Follow a request: it enters at the [`roles::balancer`], which passes it to a [`roles::clone`]; the clone's router ([`http`])
//! finds the handler; the handler talks to the seams in [`services`]; and what stands behind those is, here,
//! [`embedded`]: SQLite files and parts of this process. A [`store::Store`] is all of it, running.
//!
//! This crate adds no scaling technique of its own. Left out at this stage: real servers behind the seams (`--services docker`
//! and `external`), the dashboard, failure drills.

mod causes;
pub mod cli;
pub mod embedded;
#[cfg(feature = "docker")]
pub mod fleet;
pub mod http;
pub mod inspect;
pub mod jobs;
pub mod load;
pub mod metrics;
pub mod roles;
pub mod serve;
pub mod servers;
pub mod services;
pub mod store;
pub mod views;
