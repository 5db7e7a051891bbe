//! Runs programs: cargo, test binaries and the programs that this machine has.
//!
//! [`process`] runs one program with a time limit. [`machine`] finds programs on this machine.
//! [`cargo`], [`build`] and [`cargo_test`] run cargo. [`libtest`] and [`test_counts`] read what
//! test binaries print.

pub mod build;
pub mod cargo;
pub mod cargo_test;
pub mod libtest;
pub mod machine;
pub mod process;
pub mod test_counts;
