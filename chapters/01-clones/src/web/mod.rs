//! The HTTP server that the balancer, the clones and the servers of the later chapters share.
//!
//! [`server`] accepts connections and reads requests, [`extract`] parses their input, and every
//! error is sent as a [`problem`] document.

mod connection_limiter;
pub mod etag;
pub mod extract;
mod half_close;
pub mod header_list;
pub mod identity;
pub mod limits;
mod parse_error;
pub mod problem;
pub mod request_body;
pub mod server;
mod write_timeout;
