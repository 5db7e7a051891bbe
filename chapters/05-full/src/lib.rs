//! Chapter 5: the whole store, composed of the four chapters before.
//!
//! A request enters at the balancer ([`roles::balancer`]), which sends it to a clone
//! ([`roles::clone`]). The router of the clone ([`http`]) calls a handler. The handler uses the
//! [`services`] and answers with JSON or with a page of [`views`]. Workers ([`roles::worker`]) run
//! the [`jobs`], and the publisher ([`roles::publisher`]) pre-renders pages. [`commands`] starts
//! all of this.
//!
//! This crate adds no scaling technique.
//!
//! Left out:
//! * histograms of latency, a dashboard and failure drills;
//! * a lock that keeps a second publisher from starting;
//! * secrets in files: a URL in the environment is visible to everyone who can inspect the process;
//! * hashed session ids in the embedded store.

pub mod cli;
pub mod commands;
pub mod http;
pub mod jobs;
pub mod naive;
pub mod roles;
pub mod services;
pub mod views;
