//! Which of the two outputs show colours: [`ColourSupport`].

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

/// Terminals show colours. Files and pipes do not.
#[derive(Clone, Copy, Debug, Default)]
pub struct ColourSupport {
    /// The standard output, where tests report.
    pub stdout: bool,
    /// The standard error, where cargo reports.
    pub stderr: bool,
}

impl ColourSupport {
    /// The colour support of this process.
    pub fn detect() -> Self {
        let no_colour = env::var_os("NO_COLOR");
        ColourSupport::new(
            no_colour.as_deref(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        )
    }

    fn new(no_colour: Option<&OsStr>, stdout: bool, stderr: bool) -> Self {
        // https://no-color.org: NO_COLOR counts only if it is not empty.
        let is_disabled = no_colour.is_some_and(|value| !value.is_empty());
        ColourSupport {
            stdout: stdout && !is_disabled,
            stderr: stderr && !is_disabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn support(no_colour: Option<&str>, stdout: bool, stderr: bool) -> [bool; 2] {
        let support = ColourSupport::new(no_colour.map(OsStr::new), stdout, stderr);
        [support.stdout, support.stderr]
    }

    #[test]
    fn terminals_get_colours_and_pipes_do_not() {
        assert_eq!(support(None, true, true), [true, true]);
        assert_eq!(
            support(None, false, true),
            [false, true],
            "standard output is a pipe, as in `cargo workshop list | less`"
        );
        assert_eq!(support(None, true, false), [true, false]);
    }

    #[test]
    fn no_color_variable_disables_colours() {
        assert_eq!(support(Some("1"), true, true), [false, false]);
        assert_eq!(
            support(Some(""), true, true),
            [true, true],
            "an empty NO_COLOR does not count"
        );
    }
}
