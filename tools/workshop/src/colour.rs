//! Which of our two outputs show colours: [`Colour`].
//!
//! Left out: what a terminal can show beyond that.

use std::env;
use std::ffi::OsStr;
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
        let wish = env::var_os("NO_COLOR");
        Colour::of(
            wish.as_deref(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        )
    }

    /// For what `NO_COLOR` says, and for outputs that are terminals or are not.
    fn of(no_color: Option<&OsStr>, stdout: bool, stderr: bool) -> Self {
        // https://no-color.org: set and not empty.
        let unwanted = no_color.is_some_and(|value| !value.is_empty());
        Colour {
            stdout: stdout && !unwanted,
            stderr: stderr && !unwanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(no_color: Option<&str>, stdout: bool, stderr: bool) -> [bool; 2] {
        let colour = Colour::of(no_color.map(OsStr::new), stdout, stderr);
        [colour.stdout, colour.stderr]
    }

    #[test]
    fn colours_go_to_terminals_and_not_into_pipes() {
        assert_eq!(shown(None, true, true), [true, true]);
        assert_eq!(
            shown(None, false, true),
            [false, true],
            "cargo workshop list | less"
        );
        assert_eq!(shown(None, true, false), [true, false]);
    }

    #[test]
    fn whoever_wants_no_colour_gets_none() {
        assert_eq!(shown(Some("1"), true, true), [false, false]);
        assert_eq!(
            shown(Some(""), true, true),
            [true, true],
            "an empty value is none"
        );
    }
}
