//! Copies of data, and what keeps them right.
//!
//! Every copy is written in the transaction that changes its source, where both are in one
//! database. An order is on a shard, so its copy is written after the commit and can be missing
//! after a crash. Rebuilding writes what is missing from the sources.

mod activity;

pub use activity::rebuild_activity;
