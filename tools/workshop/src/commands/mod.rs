//! The commands, one file each. A command is a function `run` that does its work, tells what it did, and returns the exit
//! code; `main` has an entry for each.

pub mod doctor;
pub mod servers;
pub mod test;
pub mod welcome;
