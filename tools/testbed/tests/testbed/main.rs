//! The testbed on real servers.

mod dedicated;
mod fault;
mod shared;
