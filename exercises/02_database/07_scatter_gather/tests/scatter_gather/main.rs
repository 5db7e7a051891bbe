// The tests of `scatter_gather`. Their clock is paused: it jumps to the next timer when all shards
// wait, so an hour takes no time.

use scatter_gather::{DEADLINE, Order, Orders, Page, Query, Shard, Totals, Unavailable};

mod deadline;
mod pages;
mod support;
mod totals;
