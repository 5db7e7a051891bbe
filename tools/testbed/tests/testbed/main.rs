//! The testbed with real servers.

mod dedicated;
mod fault;
mod program;
mod shared;
