//! Load-balancing strategies: which clone gets the next request.
//!
//! The balancer asks a [`Strategy`] once for each attempt. It passes only those clones that are
//! healthy and have not failed this request, so a strategy knows nothing of health, retries and
//! connections.
//!
//! | name | uses | a good choice if |
//! |---|---|---|
//! | [`round-robin`](RoundRobin) | nothing | clones and requests are all alike |
//! | [`weighted`](WeightedRoundRobin) | weights | you know how much larger some machines are |
//! | [`least-requests`](LeastRequests) | requests in flight | requests differ in length |
//! | [`two-choices`](TwoChoices) | the same, of two random clones | there are several balancers |
//! | [`peak-ewma`](PeakEwma) | the same, and latency | clones differ in speed |
//! | [`rendezvous`](Rendezvous) | the path | each clone has its own cache |
//! | [`sticky`](Sticky) | a cookie | clones keep sessions in memory; for comparison only |
//!
//! Left out: strategies by request body or region, and subsets of very large sets of clones.

mod candidate;
mod interface;
mod latency;
mod least_requests;
mod name;
mod peak_ewma;
mod rendezvous;
mod round_robin;
mod sticky;
mod two_choices;
mod weighted_round_robin;

#[cfg(test)]
pub(super) mod test_support;

pub use candidate::{Candidate, RequestInfo};
pub use interface::Strategy;
pub use latency::LatencyEstimate;
pub use least_requests::LeastRequests;
pub use name::StrategyName;
pub use peak_ewma::PeakEwma;
pub use rendezvous::Rendezvous;
pub use round_robin::RoundRobin;
pub use sticky::{STICKY_COOKIE, Sticky};
pub use two_choices::TwoChoices;
pub use weighted_round_robin::WeightedRoundRobin;
