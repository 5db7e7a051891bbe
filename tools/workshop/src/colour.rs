//! Which of our two outputs show colours: [`Colour`].
//!
//! Left out: what a terminal can show beyond that.

use std::env;
use std::io::{self, IsTerminal};

/// Colours go to people and not to files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Colour {
    /// The standard output, where tests report.
    pub stdout: bool,
    /// The standard error, where cargo reports.
    pub stderr: bool,
}

impl Colour {
    /// What this process' outputs show.
    pub fn detect() -> Self {
        // https://no-color.org: set and not empty.
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Colour {
            stdout: io::stdout().is_terminal() && !unwanted,
            stderr: io::stderr().is_terminal() && !unwanted,
        }
    }
}
