//! The load balancer: one public address in front of several clones.
//!
//! [`run`] accepts connections. `proxy` forwards each request: it checks the head, asks the set of
//! upstreams for a clone, makes an attempt, and retries if that is safe. [`strategy`] chooses the
//! clone, `health` decides which clones may be chosen, and `retry` decides about another attempt.
//! `upstream` talks to one clone. `config` and [`admin`] change the balancer while it runs.
//!
//! Left out: TLS and HTTP/2.

pub mod admin;
mod config;
mod connect;
mod health;
mod load_balancer;
mod membership;
mod proxy;
mod retry;
pub mod strategy;
mod upstream;

pub use config::{Config, ConfigError, UpstreamConfig};
pub use health::{HealthPolicy, HealthState, ProbePolicy};
pub(crate) use health::{ProbeResult, probe_once};
pub use load_balancer::Balancer;
pub use membership::MembershipError;
pub use proxy::{ResponseBody, ResponseBodyError, UpstreamBody, run, run_with};
pub use retry::RetryPolicy;
pub use upstream::{Histogram, Timeouts, Upstream, UpstreamStatus};
