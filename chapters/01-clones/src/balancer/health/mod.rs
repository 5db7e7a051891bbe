//! The health of a clone: when the balancer ejects it, and how it comes back.
//!
//! *Passive* checks count failed requests, as Envoy's outlier detection does. *Active* checks are
//! probes: `GET /readyz` at each interval, which also find a clone that hangs. The tracker combines
//! both. It is a state machine without clock and network, so tests need no waiting.
//!
//! Left out: success rates compared between clones, and latency as a sign of bad health (the
//! strategy `peak-ewma` avoids slow clones).

mod policy;
mod probe;
mod state;
mod tracker;

#[cfg(test)]
mod tests;

pub use policy::HealthPolicy;
pub use probe::ProbePolicy;
pub(crate) use probe::{ProbeResult, probe_once};
pub use state::HealthState;
pub(crate) use state::Outcome;
pub(crate) use tracker::HealthTracker;
