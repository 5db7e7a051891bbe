//! Chapter 1: one server becomes several identical ones, and nobody notices.
//!
//! A request enters at the [`balancer`], which picks a *clone* and passes the request on. A clone is a server like
//! any other ([`server`] runs it, [`identity`] signs its answers), and it remembers nothing about its visitors: who
//! is logged in lies in a [`session`] store outside of it, [in Redis](redis_sessions), and [`login`] reads and writes
//! that store; what they have uploaded lies in an object store ([`avatar`]). So any clone can answer any request, and
//! any clone may disappear. Whatever goes wrong is told in one form, a [`problem`] document. [`app`] is the smallest
//! clone that has all of it, and [`contract`] says what a store has to keep, whichever it is.
//! [`readiness`] lets a clone go without losing a request, and a [`deploy`] replaces all of them by the next version.
//!
//! Left out: TLS, and machines other than this one.

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
