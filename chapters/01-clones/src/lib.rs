//! Chapter 1: one server becomes several identical clones behind a load balancer.
//!
//! A client's request reaches the [`balancer`], which picks a [`clone`] and forwards the request. A
//! clone keeps no state: sessions and uploads are in stores that all clones share. So every clone
//! can serve every request, and every clone may fail. [`deploy`] replaces all clones by the next
//! version. Both balancer and clones run in the server of [`web`]. [`contract`] tests what every
//! session store must do.
//!
//! Left out:
//!
//! * Network: TLS, HTTP/2, several machines, passing the listening socket to a new process, a 408
//!   for
//!   a late head, closing idle connections to make room, limits on new connections per second.
//! * Responses: problem types other than `about:blank`, XML, multipart forms, `If-Modified-Since`,
//!   `If-Match`, distributed tracing (W3C Trace Context).
//! * Sessions: passwords, the cookie's `Secure` attribute, hashed session ids, renewal of sessions,
//!   Redis Cluster and Sentinel, durability across a restart of Redis, a circuit breaker.
//! * Uploads: decoding or resizing pictures, removing metadata, deletion.
//! * Deploys: authentication, signed artefacts, blue/green, canary, migration of database schemas,
//!   resource limits of clones.

pub mod balancer;
pub mod clone;
pub mod contract;
pub mod deploy;
pub mod web;

pub use balancer::{Balancer, Upstream};
pub use clone::{
    AvatarStore, MemorySessions, Readiness, RedisSessions, Session, SessionId, SessionStore,
};
pub use web::problem::Problem;
