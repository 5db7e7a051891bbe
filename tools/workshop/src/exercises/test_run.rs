//! Runs the test binary of an exercise once: [`run_tests`].

use std::cell::LazyCell;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::Context;

use super::exercise::Exercise;
use super::test_suite::TestSuite;
use crate::run::cargo;
use crate::run::libtest::{TestReport, test_name_as_words};
use crate::run::machine::Machine;
use crate::run::process::{self, ProcessEnd, StopReason};
use crate::run::status_line::StatusLine;
use crate::terminal::text::last_lines;

/// How a run of the tests ended.
#[derive(Debug)]
pub enum TestOutcome {
    /// The test binary ended with a complete report.
    Completed(TestReport),
    /// The test binary was killed.
    Stopped {
        /// Why.
        reason: StopReason,
        /// The tests that were running.
        running: Vec<String>,
        /// The results until then.
        report: TestReport,
    },
    /// The test binary ended without a complete report.
    Crashed {
        /// The system's description, such as `signal: 6 (SIGABRT)`.
        status: String,
        /// The last lines of its standard error.
        last_lines: String,
    },
}

/// Runs a test binary within the exercise's limits. `filters` are arguments of the binary that
/// select tests. `messages` gets a status line.
pub fn run_tests(
    machine: &Machine,
    exercise: &Exercise,
    binary: &Path,
    filters: &[String],
    messages: &mut dyn Write,
    is_cancelled: &mut dyn FnMut() -> bool,
) -> anyhow::Result<TestOutcome> {
    let list = LazyCell::new(|| list_tests(machine, exercise, binary, filters));
    let mut status = StatusLine::new(messages, machine.is_terminal);
    let start = Instant::now();
    // A file of messages needs no line about a quick run.
    let mut next_second = if machine.is_terminal { 1 } else { 10 };
    let mut wait = |stdout: &[u8]| {
        let seconds = start.elapsed().as_secs();
        if seconds >= next_second {
            next_second = seconds + 1;
            // The results come first. What failed tests printed may be long.
            let results = &stdout[..stdout.len().min(64 << 10)];
            let report = TestReport::parse(&String::from_utf8_lossy(results));
            let tests = running_tests(&list, &report);
            let names: Vec<String> = tests.iter().map(|test| test_name_as_words(test)).collect();
            // A closed output ends the check later.
            let _ = status.show(format!("testing for {seconds} s: {}", names.join(", ")));
        }
        is_cancelled()
    };
    let mut command = test_command(machine, exercise, binary, filters);
    let output = process::run_with_limits(&mut command, exercise.time_limit, &mut wait)
        .with_context(|| format!("cannot run the test binary {}", binary.display()))?;
    let mut report = TestReport::parse(&output.stdout);
    let (success, status) = match output.end {
        ProcessEnd::Stopped(reason) => {
            let mut running = running_tests(&list, &report);
            if running.is_empty() {
                // libtest prints the outputs of failed tests after all results.
                let printing = report.failures.iter().rfind(|it| !it.message().is_empty());
                running.extend(printing.map(|failure| failure.test.clone()));
            }
            return Ok(TestOutcome::Stopped {
                reason,
                running,
                report,
            });
        }
        ProcessEnd::Exited { success, status } => (success, status),
    };
    let order = TestSuite::read(exercise).marked_tests().into_iter();
    let order: Vec<String> = order.map(|(test, _)| test).collect();
    report.sort_failures(&order);
    // The exit code and the report have to agree: a test that calls `exit(0)` is no success.
    let agrees = report.is_complete && success == report.failures.is_empty();
    let has_no_tests = success && report.total() == 0 && output.stdout.contains("running 0 tests");
    Ok(if agrees || has_no_tests {
        TestOutcome::Completed(report)
    } else {
        TestOutcome::Crashed {
            status,
            last_lines: last_lines(output.stderr.trim_end(), 8).join("\n"),
        }
    })
}

/// The first tests without a result, in the order in which the binary starts them.
fn running_tests(list: &[String], report: &TestReport) -> Vec<String> {
    let has_no_result = |test: &&String| !report.finished_tests.contains(test);
    let running = list.iter().filter(has_no_result).take(test_threads());
    running.cloned().collect()
}

/// The command that runs a test binary as cargo would run it.
fn test_command(
    machine: &Machine,
    exercise: &Exercise,
    binary: &Path,
    filters: &[String],
) -> Command {
    let mut command = cargo::command_without_package_variables(binary);
    let dir = exercise.dir();
    command
        .env("CARGO_MANIFEST_DIR", &dir)
        .env("CARGO_MANIFEST_PATH", dir.join("Cargo.toml"))
        .env("CARGO_PKG_NAME", &exercise.id)
        .env("CARGO", &machine.cargo)
        // The learner sees where a test failed. `cargo test` shows the whole backtrace.
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_TEST_NOCAPTURE")
        .current_dir(dir)
        .args([
            "--color",
            "never",
            "--test-threads",
            &test_threads().to_string(),
        ])
        .args(filters);
    command
}

/// How many tests run at once. We set it, to know which tests were running at a time-out.
fn test_threads() -> usize {
    let variable = std::env::var("RUST_TEST_THREADS");
    let number = variable.ok().and_then(|number| number.parse().ok());
    number
        .filter(|number| *number > 0)
        .unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

/// The names of all tests in a test binary, in the order in which it runs them.
fn list_tests(
    machine: &Machine,
    exercise: &Exercise,
    binary: &Path,
    filters: &[String],
) -> Vec<String> {
    let mut command = test_command(machine, exercise, binary, filters);
    command.args(["--list", "--format", "terse"]);
    let output = process::run_with_limits(&mut command, machine.command_timeout, &mut |_| false);
    let stdout = output.map(|output| output.stdout).unwrap_or_default();
    let lines = stdout.lines();
    lines
        .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
        .collect()
}
