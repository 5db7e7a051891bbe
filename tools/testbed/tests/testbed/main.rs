//! The testbed on real servers.

mod dedicated;
mod fault;
mod program;
mod shared;
