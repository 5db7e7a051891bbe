//! # Moving a bucket
//!
//! A new shard has joined, and it is empty. Bucket 7 has to go there while its customers order. At
//! any moment a customer may write, a transaction may commit late, and the process that moves the
//! bucket may die. Afterwards each order that a customer has placed must be on the shard that owns
//! the bucket, and there must be exactly one such shard.
//!
//! ## Rules
//!
//! 1. The old shard records changes from before the copy begins. An order that is written during
//!    the copy is then copied or recorded, or both.
//! 2. A round of catching up applies the changes that are in the log, whatever their numbers, and
//!    then removes exactly these. A transaction takes its number when it writes and appears when it
//!    commits, so number 5 may appear after number 6.
//! 3. To apply a change is to copy the order as it is on the old shard now. If the order is gone
//!    there, it is removed from the new shard too.
//! 4. Writes are blocked only for the last changes: the log has at most [`FEW`] when the block
//!    begins. If a round leaves no fewer changes than the round before it, the move gives up
//!    without a block.
//! 5. During the block, the last changes and the next number are copied, and then the digests of
//!    both shards are compared. If they differ, the move gives up.
//! 6. There is one decision: the old shard gives the bucket away. Only then does the new shard
//!    become active, and only then does the map change. At no time do two shards own the bucket.
//! 7. The block ends as soon as the waiting writers have an owner to go to: before the clean-up
//!    after a move, and also when the move gives up.
//! 8. The rows on the old shard are deleted only when the new owner is active and in the map. In
//!    the end, the log is off. A move that gives up leaves nothing on the new shard, keeps the
//!    owner, and returns [`Outcome::Kept`].
//! 9. [`Mover::resume`] finishes the move of a process that has died at any command. Before the
//!    decision it rolls back, and after the decision it goes forward. It may die too, and be
//!    called again.
//!
//! ## Predict
//!
//! The mover dies at the decision: it sends the command, and its connection breaks before the
//! answer. What does each shard say to a customer now? Is the bucket moved? May the process that
//! resumes roll back, to be on the safe side?
//!
//! ## What to do
//!
//! Write [`Mover::run`] and [`Mover::resume`]: about 50 short lines together, most of them one
//! command. `cargo workshop check bucket_move` runs the tests. They fail now; that is expected.
//!
//! Left out: the trigger, the locks and the transactions behind the commands. Chapter 2 has them,
//! in `chapters/02-database/src/sharding/rebalance/`.

#![warn(missing_docs)]
#![allow(dead_code, reason = "delete when finished")]

/// With so many changes left, the last round takes milliseconds, and the writers may wait for it.
pub const FEW: usize = 3;

/// An order's number.
pub type OrderId = u64;

/// An order of a customer in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order's number.
    pub id: OrderId,
    /// What the customer pays.
    pub cents: u64,
}

/// An entry of the log: this order was written, changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The change's own number. A transaction takes it when it writes, before it commits.
    pub number: u64,
    /// The order that has changed.
    pub order: OrderId,
}

/// One of the two shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shard {
    /// The one that owns the bucket before the move.
    Old,
    /// The one that shall own it.
    New,
}

/// What is compared. Two shards with the same digest have the same bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How many orders there are.
    pub count: usize,
    /// The checksum of all orders.
    pub checksum: u64,
    /// The number that the next order will get.
    pub next: OrderId,
}

/// The mover has died. Whether its last command was executed is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mover has died; the last command may be executed or not")]
pub struct Died;

/// How a move ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// The new shard owns the bucket.
    Moved,
    /// The move gave up or was rolled back. The old shard owns the bucket, as before.
    Kept,
}

/// The commands of a mover. All of them are about the one bucket that moves. Between any two of
/// them, customers may write. To repeat a command does no harm.
pub trait Servers {
    /// Old shard: records each change that commits from now on.
    fn start_log(&self) -> Result<(), Died>;

    /// Old shard: records no more changes, and forgets the recorded ones.
    fn stop_log(&self) -> Result<(), Died>;

    /// Old shard: the orders of the bucket.
    fn orders(&self) -> Result<Vec<Order>, Died>;

    /// Old shard: an order as it is now, or `None` if it is gone.
    fn order(&self, id: OrderId) -> Result<Option<Order>, Died>;

    /// Old shard: the changes in the log, by their numbers. They stay there.
    fn changes(&self) -> Result<Vec<Change>, Died>;

    /// Old shard: removes the changes with these numbers from the log.
    fn remove_changes(&self, numbers: &[u64]) -> Result<(), Died>;

    /// Old shard: the number that the next order will get.
    fn next_number(&self) -> Result<OrderId, Died>;

    /// Old shard: lets new writes wait, and returns when all running transactions have ended.
    /// The block ends with [`Servers::release`], or when the mover dies.
    fn block(&self) -> Result<(), Died>;

    /// Old shard: ends the block. The waiting writers go on, to the owner that the map names.
    fn release(&self) -> Result<(), Died>;

    /// Old shard: gives the bucket away. This is the decision: from now on the shard refuses all
    /// requests for the bucket.
    fn give_away(&self) -> Result<(), Died>;

    /// Old shard: whether it has given the bucket away.
    fn is_given_away(&self) -> Result<bool, Died>;

    /// New shard: stores an order, replaces it, or removes it with `None`.
    fn store(&self, id: OrderId, order: Option<Order>) -> Result<(), Died>;

    /// New shard: sets the number that the next order will get.
    fn set_next_number(&self, next: OrderId) -> Result<(), Died>;

    /// New shard: owns the bucket from now on.
    fn activate(&self) -> Result<(), Died>;

    /// Directory: the map names the new shard as the owner from now on.
    fn change_map(&self) -> Result<(), Died>;

    /// Either shard: the digest of its rows of the bucket.
    fn digest(&self, shard: Shard) -> Result<Digest, Died>;

    /// Either shard: deletes its rows of the bucket.
    fn delete(&self, shard: Shard) -> Result<(), Died>;
}

/// Moves one bucket.
pub struct Mover<S> {
    servers: S,
}

impl<S: Servers> Mover<S> {
    /// A mover in a process that has just been started.
    pub fn new(servers: S) -> Self {
        Mover { servers }
    }

    /// Moves the bucket to the new shard.
    pub fn run(&self) -> Result<Outcome, Died> {
        todo!("copy, catch up, block, compare, decide, and complete, or give up and clean up")
    }

    /// Finishes the move of another process, which has died.
    pub fn resume(&self) -> Result<Outcome, Died> {
        todo!("ask whether the decision was made, and go forward or back")
    }
}
