//! `cargo workshop test`: prepares the servers, runs all tests, verifies the exercises, and counts.
//!
//! Without a package, `cargo test` runs the default members. The exercises are no default
//! members, because their tests fail until a learner solves them. `verify` proves them afterwards,
//! and each exercise counts like a test.
//!
//! `cargo test` prints a result per test binary but no total, so the last line here is the total.
//! The servers keep running for the next run.

pub mod summary;

use std::ffi::OsString;
use std::io::{self, Write};

use anyhow::Context;

use crate::app::App;
use crate::run::cargo;
use crate::run::cargo_test;
use crate::setup::test_servers;
use crate::terminal::colour::ColourSupport;
use crate::verify::command as verify_command;
use summary::TestSummary;

/// The arguments of `cargo workshop test`.
#[derive(Debug, Default, clap::Args)]
pub struct TestOptions {
    /// Tests only this package, such as ch03-cache; may be repeated
    #[arg(short, long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Fails also if a learner's file in exercises/ differs from the stub
    #[arg(long, conflicts_with_all = ["packages", "arguments"])]
    pristine: bool,
    /// Arguments for the test binaries, after `--`: a part of a test's name, --nocapture, …
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<OsString>,
}

/// Runs the tests. Returns true only if there are tests and all of them pass.
pub fn test(
    app: &App,
    options: &TestOptions,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let summary = run_tests(options, app, output, messages)?;
    summary.print(output)?;
    Ok(summary.is_success())
}

fn run_tests(
    options: &TestOptions,
    app: &App,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<TestSummary> {
    let machine = &app.machine;
    if test_servers::need_servers(&options.packages)
        && let Err(error) = test_servers::start_servers(machine, messages)
    {
        return Ok(not_started(format!("{error:#}")));
    }
    let mut command = cargo::cargo_command(machine);
    command
        // In a package's folder, cargo would test only this package.
        .current_dir(app.repository.root())
        .args(cargo_arguments(options, machine.colour));
    let mut summary = match cargo_test::run(&mut command, output) {
        Ok(result) => TestSummary::new(&result),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Err(error).context("the output is closed, so the tests were stopped");
        }
        Err(error) => {
            let cargo = machine.cargo.display();
            return Ok(not_started(format!(
                "cannot run {cargo}: {error}. Is Rust installed and on the PATH? \
                 See https://rustup.rs"
            )));
        }
    };
    if options.include_exercises() {
        writeln!(
            output,
            "\nThe exercises: each stub has to fail, each solution to pass, and each wrong answer \
             to be rejected\n"
        )?;
        match verify_command::verify_all(app, options.pristine, output, messages) {
            Ok(counts) => summary.add_exercises(counts),
            Err(error) => {
                summary.add_failure(format!("The exercises could not be verified: {error:#}"));
            }
        }
    }
    Ok(summary)
}

/// The summary of a run that could not start. `reason` also says what to do.
fn not_started(reason: String) -> TestSummary {
    let mut summary = TestSummary::default();
    summary.add_failure(reason);
    summary
}

impl TestOptions {
    /// Whether the options select neither a package nor a test.
    fn include_exercises(&self) -> bool {
        let is_name = |argument: &OsString| !argument.to_string_lossy().starts_with('-');
        self.packages.is_empty() && !self.arguments.iter().any(is_name)
    }
}

fn cargo_arguments(options: &TestOptions, colour: ColourSupport) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["test".into(), "--no-fail-fast".into()];
    for package in &options.packages {
        arguments.extend(["--package".into(), package.into()]);
    }
    if colour.stdout && colour.stderr {
        arguments.extend(["--color".into(), "always".into()]);
    }

    let mut test_arguments = options.arguments.clone();
    let has_colour = test_arguments
        .iter()
        .any(|argument| argument.to_string_lossy().starts_with("--color"));
    // A test binary rejects a second `--color`.
    if colour.stdout && !has_colour {
        test_arguments.extend(["--color".into(), "always".into()]);
    }
    if !test_arguments.is_empty() {
        arguments.push("--".into());
        arguments.extend(test_arguments);
    }
    arguments
}

#[cfg(test)]
mod tests;
