//! Which of the two outputs show colours: [`ColourSupport`].

use std::io;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

/// Terminals show colours. Files and pipes do not, nor a terminal with `TERM=dumb`, and the
/// variables `NO_COLOR` (<https://no-color.org>) and `CLICOLOR=0`, `CLICOLOR_FORCE=1`
/// (<https://bixense.com/clicolors>) decide first.
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
        ColourSupport {
            stdout: shows_colours(&io::stdout()),
            stderr: shows_colours(&io::stderr()),
        }
    }
}

fn shows_colours(output: &impl RawStream) -> bool {
    AutoStream::choice(output) != ColorChoice::Never
}

// `script` runs a command in a terminal. Other systems have other options for it.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::env;
    use std::process::{Command, Stdio};

    use super::*;

    /// Not a test by itself: the test below runs it in a terminal.
    #[test]
    fn print_colour_support() {
        let support = ColourSupport::detect();
        println!("support: {} {}", support.stdout, support.stderr);
    }

    /// What a new process detects. `redirect` is shell text.
    fn detect_in_a_terminal(redirect: &str, variable: Option<(&str, &str)>) -> String {
        let program = env::current_exe().unwrap();
        let test = "terminal::colour::tests::print_colour_support";
        let command = format!(
            "'{}' --exact {test} --nocapture {redirect}",
            program.display()
        );
        let mut script = Command::new("script");
        script
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::null())
            .env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
            script.env_remove(name);
        }
        let output = script.envs(variable).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut lines = printed.lines();
        let found = lines.find_map(|line| line.split_once("support: "));
        let (_, found) = found.unwrap_or_else(|| panic!("no result: {printed}"));
        found.trim().to_owned()
    }

    #[test]
    fn only_terminals_get_colours() {
        for (redirect, variable, colours) in [
            ("", None, "true true"),
            ("| cat", None, "false true"),
            ("2>/dev/null", None, "true false"),
            ("", Some(("TERM", "dumb")), "false false"),
            ("", Some(("NO_COLOR", "1")), "false false"),
            // An empty NO_COLOR does not count.
            ("", Some(("NO_COLOR", "")), "true true"),
            ("", Some(("CLICOLOR", "0")), "false false"),
        ] {
            let detected = detect_in_a_terminal(redirect, variable);
            assert_eq!(detected, colours, "with `{redirect}` and {variable:?}");
        }
    }
}
