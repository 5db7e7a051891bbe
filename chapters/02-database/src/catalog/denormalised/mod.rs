//! Copies of data, and what keeps them right.
//!
//! Every copy is written in the transaction that changes its source, where both are in one
//! database. An order is on a shard, so its copy is written after the commit and can be missing
//! after a crash. [`find_drift`] finds every difference between a source and its copy, [`rebuild`]
//! writes the copies again.

mod activity;
mod drift;
mod rebuild;

pub use activity::rebuild_activity;
pub use drift::{Drift, find_drift};
pub use rebuild::rebuild;

pub(crate) use rebuild::rebuild_counters;
