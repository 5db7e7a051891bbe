//! `cargo workshop`, the repository's own command. The alias in `.cargo/config.toml` builds and runs it, so nothing needs
//! to be installed.
//!
//! Walk through it as a command does: the [`cli`] reads the command line, and each command is a file in [`commands`]. A learner's command
//! stands at a [`desk`], finds its [`exercise`] in the [`catalogue`] of this [`repository`], and remembers [`progress`]. `check` and `watch`
//! come to a [`judgement`]: cargo does the [`build`], the [`execution`] of the tests has a limit, [`libtest`] is understood, and
//! [`feedback`] says what it means, with a bit of [`paint`]. `verify` does the same for stub, solution and wrong answers ([`mod@verify`]).
//!
//! All know the outside through one [`machine`], and whether its [`docker`] can be used. `doctor` makes an [`examination`], has what is
//! missing brought in by a [`repair`] (whose harder half is the [`engine`]), and ends with [`advice`]. `up`, `down`, `images` and `book`
//! hand over to programs which the inner [`cargo`] builds and runs. `test` does the [`setup`] that the chosen tests need, runs cargo
//! through the [`runner`], lets the [`tally`] read along, and ends with a [`verdict`].
//!
//! It starts fast because it depends on almost nothing: every learner builds it before anything else. Left out: everything that needs more
//! of a terminal than lines and colours.

pub mod advice;
pub mod build;
pub mod cargo;
pub mod catalogue;
pub mod cli;
pub mod colour;
pub mod commands;
pub mod desk;
pub mod docker;
pub mod engine;
pub mod examination;
pub mod execution;
pub mod exercise;
#[cfg(all(test, unix))]
mod fakes;
pub mod feedback;
#[cfg(test)]
mod fixture;
pub mod hints;
pub mod images;
pub mod judgement;
pub mod libtest;
pub mod lines;
pub mod machine;
pub mod paint;
pub mod progress;
pub mod repair;
pub mod repository;
pub mod runner;
pub mod setup;
pub mod snapshot;
pub mod step;
pub mod system;
pub mod tally;
pub mod verdict;
pub mod verify;
