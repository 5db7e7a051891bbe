//! Moves buckets to other shards while customers order.
//!
//! A [`Mover`] copies a bucket, follows the changes that arrive meanwhile, holds the writers of
//! this one bucket back for a moment, and gives the bucket to the other shard. A [`plan`] names
//! the moves that give all shards equally many buckets.
//!
//! | file | step of a move |
//! |---|---|
//! | `mover.rs` | the sequence of the steps |
//! | `preflight.rs` | checks first, because an error halfway costs more |
//! | `record.rs` | the record of the steps, on the shard that the bucket leaves |
//! | `copy.rs` | copies the orders in batches, while the old shard records each change |
//! | `catch_up.rs` | applies the recorded changes until few are left |
//! | `compare.rs` | compares both shards while customers order, so that little is left |
//! | `cut_over.rs` | the block of the bucket, the rest of the comparison, and the decision |
//! | `target.rs` | the copy on the new shard, and what writes to it |
//! | `settle.rs` | completes or rolls back a move that was interrupted, and cleans up |
//!
//! # One decision
//!
//! A single transaction on the old shard ends its ownership and writes the step `cut_over`. Before
//! it, the old shard owns the bucket and records its changes, also while no mover lives: the next
//! run continues the copy or removes it. After it, every crash leads forward: the next run
//! activates the bucket on the new shard, changes the map, and cleans up. If a mover dies in
//! between, requests for the bucket get 503 until [`Mover::settle_all`] has run.
//!
//! # One mover
//!
//! A mover holds an advisory lock of its bucket on the old shard, on the connection that also
//! decides. Without this connection it cannot decide, and another mover can begin. The other mover
//! first changes the version of the copy, so the first one cannot write to it any more.

mod bucket_move;
mod catch_up;
mod compare;
mod copy;
mod cut_over;
mod error;
mod fail_point;
mod limits;
mod mover;
mod naive;
mod plan;
mod preflight;
mod record;
mod settle;
mod source;
mod store;
mod target;

pub use bucket_move::{MoveProgress, MoveReport};
pub use error::MoveError;
pub use limits::MoveLimits;
pub use mover::Mover;
pub use naive::NaiveMove;
pub use plan::{PlannedMove, plan};
pub use record::{MoveRecord, MoveStep, open_moves};
pub use settle::Settled;
