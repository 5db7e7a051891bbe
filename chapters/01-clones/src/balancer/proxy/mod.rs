//! The way of a request through the balancer: from the client to a clone, and back.
//!
//! `serve` accepts connections. `forward` sends each request to a clone and retries it at the next
//! one if that is safe. `headers` checks and rewrites both heads, `upgrade` handles WebSocket, and
//! [`UpstreamBody`] streams the response. Bodies pass in pieces, in both directions; the balancer
//! keeps only small request bodies, for a retry.

mod attempt;
mod forward;
mod headers;
mod response_body;
mod serve;
mod upgrade;

pub use response_body::{ResponseBody, ResponseBodyError, UpstreamBody};
pub use serve::{run, run_with};
