//! The balancer's side of its clones: connections, requests in flight, and the set of all clones.
//!
//! [`UpstreamSet`] picks an [`Upstream`] for a request. `send` makes one attempt over a connection
//! of its pool. The request body is a [`ReplayBody`], which a retry can send again.

mod continue_gate;
mod deadline;
mod in_flight;
mod pool;
mod replay_body;
mod send;
mod server;
mod set;
mod timeouts;
mod tunnel;

pub(crate) use deadline::Deadline;
pub(crate) use in_flight::InFlightGuard;
pub(crate) use replay_body::{MAX_REPLAY_BYTES, ReplayBody, UploadProgress};
pub(crate) use send::{SendError, UpstreamResponse};
pub use server::Upstream;
pub use set::{Histogram, UpstreamStatus};
pub(crate) use set::{NoUpstream, PickContext, PickedUpstream, UpstreamSet};
pub use timeouts::Timeouts;
pub(crate) use tunnel::Tunnels;
