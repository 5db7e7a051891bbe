//! The set of all clones of a balancer, and the choice between them.
//!
//! [`UpstreamSet`] combines what the balancer knows about each clone: health, latency, requests in
//! flight, counters. One lock protects all of it, and no code awaits while it holds the lock. So a
//! choice and the count of requests in flight change in one step.
//!
//! Left out: one lock per clone. A choice takes less than a microsecond, a request some hundred.

mod histogram;
mod member;
mod members;
mod pick;
mod status;

#[cfg(test)]
mod tests;

pub use histogram::Histogram;
pub(crate) use members::UpstreamSet;
pub(crate) use pick::{NoUpstream, PickContext, PickedUpstream};
pub use status::UpstreamStatus;
