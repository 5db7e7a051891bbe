//! The testbed on real servers.

mod dedicated;
mod shared;
