//! The balancer's configuration file.
//!
//! `file` reads the file, `check` refuses impossible values. `apply` builds a balancer from it, or
//! changes a running one. `watch` reloads the file when it changes.
//!
//! Left out: including other files, and reading the clones from DNS, Consul or Kubernetes.

mod apply;
mod check;
mod file;
mod watch;

#[cfg(test)]
mod tests;

pub use file::{Config, ConfigError, UpstreamConfig};
