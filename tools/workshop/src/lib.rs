//! `cargo workshop`, the repository's own command. The alias in `.cargo/config.toml` builds and runs it, so nothing needs
//! to be installed.
//!
//! Walk through it as a command does: `main` reads the command line, and each command is a file in [`commands`]. They know the outside
//! through one [`machine`], and whether its [`docker`] can be used. `doctor` makes an [`examination`], has what is missing brought in by
//! a [`repair`] (whose harder half is the [`engine`]), and ends with [`advice`]. `up`, `down` and `images` hand over to the testbed's own
//! program, which the inner [`cargo`] builds and runs. `test` does the [`setup`] that the chosen tests need, runs cargo through the
//! [`runner`], lets the [`tally`] read along, and ends with a [`verdict`].
//!
//! It starts fast because it depends on almost nothing: every learner builds it before anything else. Left out so far: the exercises.

pub mod advice;
pub mod cargo;
pub mod colour;
pub mod commands;
pub mod docker;
pub mod engine;
pub mod examination;
#[cfg(all(test, unix))]
mod fakes;
pub mod images;
pub mod machine;
pub mod repair;
pub mod runner;
pub mod setup;
pub mod step;
pub mod system;
pub mod tally;
pub mod verdict;
