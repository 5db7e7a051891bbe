//! A clone: an application server that keeps no state of its own, so every clone can serve every
//! request.
//!
//! [`app`] is the router. Sessions are in a [`session`] store, uploads in an object store
//! ([`avatar`]), and [`readiness`] tells the balancer when the clone wants no more requests.

pub mod app;
pub mod avatar;
pub mod login;
pub mod memory_sessions;
pub mod readiness;
pub mod redis_sessions;
pub mod session;

pub use avatar::AvatarStore;
pub use memory_sessions::MemorySessions;
pub use readiness::Readiness;
pub use redis_sessions::RedisSessions;
pub use session::{Session, SessionId, SessionStore};
