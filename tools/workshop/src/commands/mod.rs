//! The commands, one file each. A command is a function `run` that does its work, tells what it did, and returns the exit
//! code; the [`cli`](crate::cli) has an entry for each.

pub mod book;
pub mod check;
pub mod diff;
pub mod doctor;
pub mod hint;
pub mod list;
pub mod reset;
pub mod servers;
pub mod skip;
pub mod test;
pub mod verify;
pub mod watch;
pub mod welcome;
