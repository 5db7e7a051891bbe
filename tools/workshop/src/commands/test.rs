//! `cargo workshop test`: runs the tests of the whole repository, or of some packages, and says in one line how it went.
//!
//! It runs `cargo test --no-fail-fast` and lets everything through that cargo and the tests say. Its own part is the end:
//! `cargo test` prints a result for each of some forty test binaries and no sum, and a crash among them is easily
//! overlooked. Left out: set-up, for so far no test needs any.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::runner;
use crate::verdict::Verdict;

/// The command line of `cargo workshop test`.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Test only this package, such as ch03-cache; may be repeated
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Arguments for the test binaries, after `--`: a part of a test's name, --nocapture, …
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Which of the two streams show colours.
#[derive(Clone, Copy)]
struct Colour {
    /// The standard output, where the tests report. It goes through a pipe, so they have to be told.
    tests: bool,
    /// The standard error, where cargo reports.
    cargo: bool,
}

/// Runs the tests. The exit code is 0 only if there were tests and all of them passed.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // `cargo run` tells its program which cargo it is, and so the tests run with the same toolchain.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.args(cargo_arguments(options, Colour::detect()));
    for (name, _) in env::vars_os() {
        if describes_this_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }

    let mut output = io::stdout();
    let verdict = match runner::run(&mut command, &mut output) {
        Ok(outcome) => Verdict::of(&outcome),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(error).context("nobody reads the output any more, so the tests were stopped");
        }
        Err(error) => Verdict::never_ran(&format!("{} could not be run: {error}", cargo.display())),
    };
    verdict.print(&mut output)?;
    Ok(if verdict.is_green() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn cargo_arguments(options: &Options, colour: Colour) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["test".into(), "--no-fail-fast".into()];
    if options.packages.is_empty() {
        arguments.push("--workspace".into());
    }
    for package in &options.packages {
        arguments.extend(["--package".into(), package.into()]);
    }
    if colour.cargo {
        arguments.extend(["--color".into(), "always".into()]);
    }

    let mut for_tests = options.arguments.clone();
    let asks_for_colour = for_tests
        .iter()
        .any(|argument| argument.to_string_lossy().starts_with("--color"));
    // A test binary refuses to be told twice.
    if colour.tests && !asks_for_colour {
        for_tests.extend(["--color".into(), "always".into()]);
    }
    if !for_tests.is_empty() {
        arguments.push("--".into());
        arguments.extend(for_tests);
    }
    arguments
}

impl Colour {
    fn detect() -> Self {
        // https://no-color.org: set and not empty.
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let tests = io::stdout().is_terminal() && !unwanted;
        Colour {
            tests,
            cargo: tests && io::stderr().is_terminal(),
        }
    }
}

/// Variables with which `cargo run` describes *this* package. A build script that sees them change runs again, and
/// then the same tests would be built anew whenever somebody changes between `cargo test` and `cargo workshop test`.
fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Colour = Colour {
        tests: false,
        cargo: false,
    };
    const COLOURED: Colour = Colour {
        tests: true,
        cargo: true,
    };

    #[test]
    fn without_a_package_the_whole_workspace_is_tested() {
        let arguments = cargo_arguments(&Options::default(), PLAIN);
        assert_eq!(arguments, ["test", "--no-fail-fast", "--workspace"]);
    }

    #[test]
    fn packages_and_arguments_go_to_cargo_in_its_order() {
        let options = Options {
            packages: vec!["ch01-clones".into(), "ch02-database".into()],
            arguments: vec!["shard".into()],
        };
        assert_eq!(
            cargo_arguments(&options, COLOURED).join(" ".as_ref()),
            "test --no-fail-fast --package ch01-clones --package ch02-database --color always -- shard --color always"
        );
    }

    #[test]
    fn a_learners_own_colour_is_not_contradicted() {
        let options = Options {
            packages: vec![],
            arguments: vec!["--color=never".into()],
        };
        let arguments = cargo_arguments(&options, COLOURED);
        assert_eq!(arguments.last().unwrap(), "--color=never");
    }

    #[test]
    fn the_inner_cargo_is_not_told_about_this_package() {
        assert!(describes_this_package("CARGO_PKG_NAME"));
        assert!(describes_this_package("CARGO_MANIFEST_DIR"));
        assert!(
            !describes_this_package("CARGO_HOME"),
            "that one says where the registry is"
        );
        assert!(
            !describes_this_package("CARGO_TARGET_DIR"),
            "that one says where to build"
        );
    }
}
