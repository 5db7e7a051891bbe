//! How an exercise stands: [`judge`] builds its tests and runs them once.
//!
//! It begins with what the tests need: for an exercise with servers, Docker and the images. Left out: what to say about it to a learner,
//! which is [`feedback`](crate::feedback).

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

use crate::build::{self, Built, Diagnostic};
use crate::cargo;
use crate::desk::Desk;
use crate::execution::{self, Ending};
use crate::exercise::Exercise;
use crate::libtest::Report;
use crate::machine::Machine;
use crate::setup;

/// What came of it.
#[derive(Debug)]
pub enum Judgement {
    /// The compiler refuses it.
    NotCompiled(Vec<Diagnostic>),
    /// Its tests have run.
    Tested {
        /// What they say.
        outcome: Outcome,
        /// What the compiler would rather see otherwise, as it shows it.
        warnings: Vec<String>,
    },
}

/// How a run of the tests ended.
#[derive(Debug)]
pub enum Outcome {
    /// By itself, and with a result.
    Told(Report),
    /// These tests had begun and not ended when the time was over.
    Hung {
        /// Their names.
        tests: Vec<String>,
        /// What was known until then.
        report: Report,
    },
    /// The program was gone before its result.
    Crashed {
        /// How, in the system's words.
        how: String,
        /// The last that it said.
        words: String,
    },
    /// Somebody wants no answer any more.
    Stopped,
}

/// Builds and runs the tests of an exercise. `messages` hears of what takes long; `stop` may end the run.
pub fn judge(
    desk: &Desk,
    exercise: &Exercise,
    stop: &mut dyn FnMut() -> bool,
    messages: &mut impl Write,
) -> anyhow::Result<Judgement> {
    let machine = &desk.machine;
    if !exercise.services.is_empty() {
        setup::images(machine, messages)?;
    }
    let mut command = cargo::cargo(machine);
    command
        .current_dir(desk.repository.root())
        .args([
            "test",
            "--package",
            &exercise.id,
            "--no-run",
            "--target-dir",
        ])
        .arg(&desk.target);
    let built = build::build(
        command,
        machine.colour.stderr,
        |name| name == exercise.id,
        messages,
    )?;
    let manifest = exercise.folder().join("Cargo.toml");
    if !built.success {
        return not_compiled(built);
    }
    let program = built.program(&manifest).with_context(|| {
        format!(
            "cargo built no tests for {}; they have to lie in {}",
            exercise.id,
            desk.repository.name(&exercise.tests())
        )
    })?;
    // Those of the tests are not the learner's.
    let source = desk.repository.name(&exercise.folder().join("src"));
    let is_theirs = |diagnostic: &&Diagnostic| {
        let place = diagnostic.place.as_ref();
        diagnostic.is_warning
            && place
                .is_some_and(|(file, _)| desk.repository.name(file.as_ref()).starts_with(&source))
    };
    let warnings = built.about(&manifest).filter(is_theirs);
    Ok(Judgement::Tested {
        warnings: warnings
            .map(|diagnostic| diagnostic.rendered.clone())
            .collect(),
        outcome: test(machine, exercise, program, stop)?,
    })
}

fn not_compiled(built: Built) -> anyhow::Result<Judgement> {
    if !built
        .diagnostics
        .iter()
        .any(|diagnostic| diagnostic.is_error)
    {
        bail!(
            "cargo could not build this. It says:\n{}",
            built.complaints.trim_end()
        );
    }
    Ok(Judgement::NotCompiled(built.diagnostics))
}

/// Runs a test program within its exercise's limit.
pub fn test(
    machine: &Machine,
    exercise: &Exercise,
    program: &Path,
    stop: &mut dyn FnMut() -> bool,
) -> anyhow::Result<Outcome> {
    let run = execution::run(
        &mut execution::command(machine, exercise, program),
        exercise.limit,
        stop,
    )
    .with_context(|| format!("the test program {} could not be run", program.display()))?;
    let mut report = Report::parse(&run.said);
    // Without their source they stay in the alphabet's order.
    report.sort_by(&fs::read_to_string(exercise.tests()).unwrap_or_default());
    Ok(match run.ending {
        Ending::Stopped => Outcome::Stopped,
        Ending::OutOfTime => {
            let mut tests = execution::names(machine, exercise, program);
            tests.retain(|test| !report.ended.contains(test));
            // They are begun in this order, so many at once; those after them never had their turn.
            tests.truncate(execution::threads());
            Outcome::Hung { tests, report }
        }
        // The exit code and the report have to agree: a test that calls `exit(0)` looks like a success to everybody else.
        Ending::Exited { success, .. }
            if report.is_whole && success == report.failures.is_empty() =>
        {
            Outcome::Told(report)
        }
        Ending::Exited { success: true, .. }
            if report.all() == 0 && run.said.contains("running 0 tests") =>
        {
            Outcome::Told(report)
        }
        Ending::Exited { how, .. } => Outcome::Crashed {
            how,
            words: last_words(&run.complained),
        },
    })
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
