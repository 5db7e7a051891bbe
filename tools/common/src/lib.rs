//! Small helpers that several chapters and tools share: addresses in flags, error messages,
//! a stable hash, child processes, pauses before restarts, shutdown requests and a circuit breaker.

mod error_chain;

pub mod address;
pub mod child;
pub mod circuit_breaker;
pub mod hash;
#[cfg(feature = "log")]
pub mod log;
pub mod restart_delay;
pub mod shutdown;

pub use error_chain::error_chain;
