//! Small helpers that several chapters and tools share: addresses in flags, error messages,
//! a stable hash, child processes and shutdown requests.

mod error_chain;

pub mod address;
pub mod child;
pub mod hash;
pub mod shutdown;

pub use error_chain::error_chain;
