// The tests of `fencing`. Their storage can promote another node between any two transactions, so a
// paused node wakes up at the worst moment in every run.

use fencing::{Data, Epoch, Node, Outcome, Refused, Storage, StorageError};

mod promotion;
mod support;
mod unknown;
mod writes;
