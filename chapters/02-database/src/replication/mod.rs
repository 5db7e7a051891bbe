//! Replication: a primary takes the writes, its replicas answer the reads.
//!
//! [`Read`] names the server that answered. The private type `Replicas` chooses the replica for
//! each read and makes a write wait until the replicas have replayed it.

mod lsn;
mod read;
mod replicas;

pub use read::{Node, Read};

pub(crate) use replicas::Replicas;
