//! Replication: a primary takes the writes, its replicas answer the reads.
//!
//! [`Read`] names the server that answered. The private type `Replicas` chooses the replica for
//! each read and makes a write wait until the replicas have replayed it.

mod consistency;
mod lsn;
mod read;
mod replicas;

pub use consistency::{Consistency, ConsistencyToken, InvalidToken};
pub use lsn::{InvalidLsn, Lsn};
pub use read::{Node, Read, Written};

pub(crate) use replicas::{Replicas, current_lsn};
