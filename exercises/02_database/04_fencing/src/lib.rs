//! # Fencing
//!
//! Two nodes share a storage, and one of them, the primary, takes the orders. One night the primary
//! does not answer for 20 seconds: its virtual machine is moved. The coordinator promotes the other
//! node, which takes 300 orders. Then the old primary wakes up in the middle of a write. It does
//! not know that it was replaced, and it writes.
//!
//! The old primary cannot notice this: for the node, no time has passed. The storage can. Each
//! promotion raises a number in the data, the *epoch*. A write names the epoch of its node, and the
//! storage refuses a node with another one: the node is *fenced*.
//!
//! ## Rules
//!
//! 1. An order is stored only if the epoch in the data is exactly the node's epoch. The comparison
//!    is in the transaction that stores the order. No earlier look at the epoch, at a flag or at a
//!    clock replaces it.
//! 2. A node that was not promoted has no epoch and takes no writes. This is also true for a node
//!    that has just been started again.
//! 3. A promotion raises the epoch in the data by one, but only if the data still has exactly the
//!    epoch that the coordinator has observed. Two coordinators may have observed the same epoch,
//!    and only one of their nodes may get the next one.
//! 4. A node has the new epoch only when the storage has confirmed it. If a promotion fails or its
//!    outcome is unknown, the node does not write with the new epoch.
//! 5. A refused node never takes over the epoch that it finds in the data. Only a promotion gives
//!    it a new one.
//! 6. A transaction that is confirmed is [`Outcome::Ok`]. One that was refused or not begun is
//!    [`Outcome::Failed`]. If the connection breaks during the commit, the transaction may be
//!    stored or not: [`Outcome::Unknown`]. None is tried again.
//!
//! ## Predict
//!
//! A primary is paused for 20 seconds, exactly after its last check and before it stores an order.
//! Meanwhile, another node is promoted. The old primary wakes up, finishes this write, and begins
//! a second one. How many of the two orders are stored if the node checks the epoch with a query
//! before each write? How many if it looks at its clock instead, because its *lease* ends after
//! 10 seconds? How many if the check is in the transaction?
//!
//! ## What to do
//!
//! Write [`Node::promote`] and [`Node::write`]: about 25 lines together. `cargo workshop check
//! fencing` runs the tests. They fail now; that is expected.
//!
//! Left out: who notices that a primary is gone, and a storage for each node, which replication
//! keeps equal. Chapter 2 has them, in `chapters/02-database/src/failover/`.

#![warn(missing_docs)]
#![allow(dead_code, unused_variables, reason = "delete when finished")]

/// The number of promotions so far. It only grows.
pub type Epoch = u64;

/// An order's number.
pub type OrderId = u64;

/// What the storage keeps on its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// The epoch of the node that may write.
    pub epoch: Epoch,
    /// The orders.
    pub orders: Vec<OrderId>,
}

/// The work of a transaction returns this error to roll the transaction back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Why a transaction was not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The work returned [`Refused`], so the transaction was rolled back. Nothing is stored.
    #[error("the transaction was rolled back")]
    Refused,
    /// The transaction was not begun. Nothing is stored.
    #[error("the storage cannot be reached")]
    NotReached,
    /// The connection was lost during the commit. Everything is stored, or nothing.
    #[error("the storage did not answer; the transaction may be committed or not")]
    NoAnswer,
}

/// The storage that all nodes share.
pub trait Storage {
    /// Runs `work` in a transaction: all of its changes are stored, or none. Nothing else happens
    /// between its beginning and its end. Between two transactions, another node may do anything.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&mut Data) -> Result<T, Refused>,
    ) -> Result<T, StorageError>;
}

/// What is known about a promotion or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It is stored.
    Ok,
    /// It is not stored, and never will be.
    Failed,
    /// It is stored or not. The caller must look.
    Unknown,
}

/// A node, which is the primary or was it or may become it.
pub struct Node<S> {
    storage: S,
    /// The epoch of the last promotion of this node.
    epoch: Option<Epoch>,
}

impl<S: Storage> Node<S> {
    /// A node that has just been started.
    pub fn new(storage: S) -> Self {
        Node {
            storage,
            epoch: None,
        }
    }

    /// Makes this node the primary. `observed` is the epoch that the coordinator has seen before it
    /// decided.
    pub fn promote(&mut self, observed: Epoch) -> Outcome {
        todo!("raise the epoch if it is still the observed one, and remember it when it is stored")
    }

    /// Stores an order, if this node is the primary.
    pub fn write(&mut self, order: OrderId) -> Outcome {
        todo!("store the order if the data has this node's epoch, and say what is known")
    }
}
