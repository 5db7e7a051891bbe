//! Builds the tests of one exercise and runs them: [`build_and_test`].

use std::io::Write;

use anyhow::{Context, ensure};

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::test_run::{self, TestOutcome};
use crate::run::build::{self, Diagnostic};
use crate::run::cargo;
use crate::run::process::StopReason;
use crate::setup::test_servers;

/// The outcome of a check.
#[derive(Debug)]
pub enum CheckOutcome {
    /// The code does not compile.
    CompileError(Vec<Diagnostic>),
    /// The tests ran.
    Tested {
        /// How the run ended.
        outcome: TestOutcome,
        /// The compiler's warnings about the learner's code, as the compiler prints them.
        warnings: Vec<String>,
    },
}

impl CheckOutcome {
    /// Whether all tests passed.
    pub fn is_solved(&self) -> bool {
        matches!(
            self,
            CheckOutcome::Tested { outcome: TestOutcome::Completed(report), .. }
                if report.all_passed()
        )
    }

    /// Whether the caller cancelled the run.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            CheckOutcome::Tested {
                outcome: TestOutcome::Stopped {
                    reason: StopReason::Cancelled,
                    ..
                },
                ..
            }
        )
    }
}

/// Builds and runs the tests of an exercise. Long steps write their progress to `messages`.
pub fn build_and_test(
    app: &App,
    exercise: &Exercise,
    is_cancelled: &mut dyn FnMut() -> bool,
    messages: &mut impl Write,
) -> anyhow::Result<CheckOutcome> {
    let machine = &app.machine;
    let id = &exercise.id;
    let test_file = exercise.test_file();
    let tests_dir = app.display_path(&exercise.tests_dir());
    let checkout = format!("git checkout -- {tests_dir}");
    for (file, restore) in [
        (exercise.source_file(), format!("cargo workshop reset {id}")),
        (test_file, checkout),
    ] {
        let path = app.display_path(&file);
        ensure!(file.is_file(), "{path} is missing. `{restore}` restores it");
    }
    if !exercise.services.is_empty() {
        test_servers::get_images(machine, messages)?;
    }
    let mut command = cargo::cargo_command(machine);
    command
        .current_dir(app.repository.root())
        .args(["test", "--package", id, "--no-run", "--target-dir"])
        .arg(&app.target_dir);
    let is_quick = |package: &str| package == id;
    let build = build::build(command, machine, is_quick, messages)?;
    build.check_cargo("this exercise")?;
    if !build.success {
        return Ok(CheckOutcome::CompileError(build.diagnostics));
    }
    let binary = build.test_binary(id).with_context(|| {
        format!("cargo built no tests for {id}; the tests must be in {tests_dir}")
    })?;
    // Only warnings about the learner's own code.
    let source_dir = app.repository.display_path(&exercise.dir().join("src"));
    let is_in_source = |(file, _): (&str, usize)| {
        let file = app.repository.display_path(file.as_ref());
        file.starts_with(&source_dir)
    };
    let warnings = build
        .diagnostics_of(id)
        .filter(|diagnostic| diagnostic.is_warning())
        .filter(|diagnostic| diagnostic.location().is_some_and(is_in_source));
    Ok(CheckOutcome::Tested {
        warnings: warnings
            .map(|diagnostic| diagnostic.rendered().to_owned())
            .collect(),
        outcome: test_run::run_tests(machine, exercise, binary, &[], messages, is_cancelled)?,
    })
}
