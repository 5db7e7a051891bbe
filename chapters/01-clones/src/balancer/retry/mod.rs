//! Retries: whether a request may be sent to another clone, and how many requests may.
//!
//! If no clone has seen the request, it may go to the next clone, whatever its method is. If a
//! clone *may* have seen it, a retry must be safe: the method is idempotent (RFC 9110, section
//! 9.2.2), or the client sends an `Idempotency-Key`, under which the server does the work once
//! (draft-ietf-httpapi-idempotency-key-header). A budget limits the retries of all requests
//! together.
//!
//! Left out: retries by status, such as 503, and a wait before a retry. There are other clones.

mod budget;
mod policy;
mod problems;
mod state;

pub(crate) use budget::RetryBudget;
pub use policy::RetryPolicy;
pub(crate) use state::RetryState;
