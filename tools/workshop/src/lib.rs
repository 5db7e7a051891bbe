//! `cargo workshop`, the repository's own command. The alias in `.cargo/config.toml` builds and runs it, so nothing needs
//! to be installed.
//!
//! Walk through it as a command does: `main` reads the command line, and each command is a file in [`commands`]. `test`
//! starts cargo through the [`runner`], lets the [`tally`] read along, and ends with a [`verdict`]. It starts fast because
//! it depends on almost nothing: every learner builds it before anything else. Left out so far: the exercises.

pub mod commands;
pub mod runner;
pub mod tally;
pub mod verdict;
