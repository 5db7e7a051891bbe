// The tests of `bucket_move`. Their servers are in memory. Between any two commands of the mover,
// a test can let customers write, commit late, damage the copy, or kill the mover.

use bucket_move::{Change, Died, Digest, FEW, Mover, Order, OrderId, Outcome, Servers, Shard};

mod catching_up;
mod death;
mod decision;
mod servers;
mod support;
