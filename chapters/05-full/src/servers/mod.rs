//! The services on real servers: every seam of the chapters, filled by PostgreSQL, Redis, Memcached and RabbitMQ.
//!
//! The same store as the embedded one, on parts that several processes can reach, so any of its roles may run in a process, or on a
//! machine, of its own. Where the servers are is told by the environment ([`Addresses`]); what is in them is made when the first process
//! opens them ([`Servers`]).

mod addresses;
mod open;

pub use addresses::{AddressError, Addresses};
pub use open::{Servers, ServersError};
