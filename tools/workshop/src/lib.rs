//! `cargo workshop`, the command of this repository. The alias in `.cargo/config.toml` builds and
//! runs it, so nothing has to be installed.
//!
//! The modules are layers. A module uses only the modules above it in this list:
//!
//! * [`terminal`]: styles, the progress bar, words for counts and times.
//! * [`run`]: runs cargo, test binaries and other programs, and reads their output.
//! * [`exercises`]: the exercises, their files and tests, and the learner's progress.
//! * [`app`]: what every command works with.
//! * [`setup`]: checks this machine, installs what is missing, and starts the servers.
//! * [`mod@verify`]: proves that the exercises are correct, for authors.
//! * [`learner`]: the learner's commands: `check`, `watch`, `hint`, `diff` and others.
//! * [`cli`]: the command line.
//!
//! Left out: output that needs more of a terminal than lines and colours, such as single keys in
//! `watch`; and every large dependency, because each learner builds this program first.

pub mod app;
pub mod cli;
pub mod exercises;
pub mod learner;
pub mod run;
pub mod setup;
pub mod terminal;
pub mod verify;
