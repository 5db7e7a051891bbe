//! Runs programs: cargo, test binaries and the programs that this machine has.
//!
//! [`child_group`] ends programs together with this one, and [`process`] runs one with limits.
//! [`machine`] finds programs on this machine. [`cargo`], [`build`] and [`cargo_test`] run cargo,
//! and [`build_progress`] and [`status_line`] show that it works. [`libtest`] and [`test_counts`]
//! read what test binaries print.

pub mod build;
pub mod build_progress;
pub mod cargo;
pub mod cargo_test;
pub mod child_group;
pub mod libtest;
pub mod machine;
pub mod process;
pub mod status_line;
pub mod test_counts;
