//! Runs the test binary of an exercise once: [`run_tests`].

use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Context;

use super::exercise::Exercise;
use super::repository::read_text;
use crate::run::cargo;
use crate::run::libtest::TestReport;
use crate::run::machine::Machine;
use crate::run::process::{self, ProcessEnd};
use crate::terminal::text::last_lines;

/// How a run of the tests ended.
#[derive(Debug)]
pub enum TestOutcome {
    /// The test binary ended with a complete report.
    Completed(TestReport),
    /// The time limit was reached.
    TimedOut {
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
    /// The caller cancelled the run.
    Cancelled,
}

/// Runs a test binary within the exercise's time limit.
pub fn run_tests(
    machine: &Machine,
    exercise: &Exercise,
    binary: &Path,
    is_cancelled: &mut dyn FnMut() -> bool,
) -> anyhow::Result<TestOutcome> {
    let mut command = test_command(machine, exercise, binary);
    let output = process::run_with_limit(&mut command, exercise.time_limit, is_cancelled)
        .with_context(|| format!("cannot run the test binary {}", binary.display()))?;
    let mut report = TestReport::parse(&output.stdout);
    // Without the source, the failures stay in alphabetical order.
    report.sort_by_source(&read_text(&exercise.test_file()).unwrap_or_default());
    let (success, status) = match output.end {
        ProcessEnd::Cancelled => return Ok(TestOutcome::Cancelled),
        ProcessEnd::TimedOut => {
            let mut running = list_tests(machine, exercise, binary);
            running.retain(|test| !report.finished_tests.contains(test));
            // The binary starts tests in this order. Later tests have not started.
            running.truncate(test_threads());
            return Ok(TestOutcome::TimedOut { running, report });
        }
        ProcessEnd::Exited { success, status } => (success, status),
    };
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

/// The command that runs a test binary as cargo would run it.
fn test_command(machine: &Machine, exercise: &Exercise, binary: &Path) -> Command {
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
        ]);
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
fn list_tests(machine: &Machine, exercise: &Exercise, binary: &Path) -> Vec<String> {
    let mut command = test_command(machine, exercise, binary);
    command.args(["--list", "--format", "terse"]);
    let output = process::run_with_limit(&mut command, machine.command_timeout, &mut || false);
    let stdout = output.map(|output| output.stdout).unwrap_or_default();
    let lines = stdout.lines();
    lines
        .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
        .collect()
}
