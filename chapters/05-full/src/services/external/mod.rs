//! The external services: PostgreSQL, Redis, Memcached and RabbitMQ implement every interface.
//!
//! Several processes can use these servers, so each role can run in its own process or on its own
//! machine. The environment names the servers ([`Addresses`]). The first process that connects
//! ([`ExternalServers`]) creates the tables and seeds them.

mod addresses;
mod servers;
mod variable;

pub use addresses::{Addresses, InvalidAddresses, OrderAddresses};
pub use servers::{ExternalServers, ExternalServersError};
pub use variable::InvalidVariable;
