//! A variant of an exercise: the stub, the solution or a wrong answer. [`Variant::verify`] runs the
//! exercise's tests on it.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;

use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::repository::{Repository, read_text};
use crate::exercises::test_run::{self, TestOutcome};
use crate::run::build::{BuildResult, Diagnostic};
use crate::run::libtest::{TODO_MESSAGE, TestFailure, TestReport};
use crate::terminal::text::strip_escapes;

/// The kind of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariantKind {
    /// The code that a learner starts with.
    Stub,
    /// The complete code.
    Solution,
    /// A plausible mistake.
    WrongAnswer {
        /// A part of the message that has to reject it.
        expected_message: String,
    },
}

/// One variant of an exercise.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The exercise.
    pub exercise: Exercise,
    /// The kind.
    pub kind: VariantKind,
    /// The file that replaces `src/lib.rs`.
    pub source: PathBuf,
    /// The name of its package. The compiler warns of names such as `round_robin__stub`.
    pub package: String,
}

/// All variants of an exercise, and the problems of the files with wrong answers.
pub fn find_variants(repository: &Repository, exercise: &Exercise) -> (Vec<Variant>, Vec<String>) {
    let new_variant = |kind, source, name: &str| Variant {
        exercise: exercise.clone(),
        kind,
        source,
        package: format!("{name}_of_{}", exercise.id),
    };
    let mut variants = vec![
        new_variant(VariantKind::Stub, exercise.stub_file(), "stub"),
        new_variant(VariantKind::Solution, exercise.solution_file(), "solution"),
    ];
    // `rules` has reported a missing file.
    variants.retain(|variant| variant.source.is_file());

    let dir = exercise.solution_dir().join("wrong");
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    let mut problems = Vec::new();
    if files.len() < 2 {
        problems.push(format!(
            "{}: there must be at least two wrong answers, but there are {}; write what a learner \
             would try first",
            repository.display_path(&dir),
            files.len()
        ));
    }
    for source in files {
        let text = read_text(&source).unwrap_or_default();
        let name = source.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("wrong_{name}");
        match expected_message(&text) {
            Some(expected_message) => {
                let kind = VariantKind::WrongAnswer { expected_message };
                variants.push(new_variant(kind, source, &name));
            }
            None => problems.push(format!(
                "{}: the first two lines must be `// Wrong: ` with the mistake in a sentence, and \
                 `// Says: ` with a part of the message that has to reject it",
                repository.display_path(&source)
            )),
        }
    }
    (variants, problems)
}

/// The expected message, from the second line of a wrong answer.
fn expected_message(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let mut next = |prefix| {
        let rest = lines.next()?.strip_prefix(prefix).map(str::trim);
        rest.filter(|rest| !rest.is_empty())
    };
    next("// Wrong: ")?;
    next("// Says: ").map(str::to_owned)
}

impl Variant {
    /// Runs the tests on this variant. Returns the problems.
    pub fn verify(&self, app: &App, build: &BuildResult) -> anyhow::Result<Vec<String>> {
        let file = app.repository.display_path(&self.source);
        let messages = |is_wanted: fn(&Diagnostic) -> bool| -> Vec<String> {
            build
                .diagnostics_of(&self.package)
                .filter(|diagnostic| is_wanted(diagnostic))
                .map(|diagnostic| strip_escapes(diagnostic.rendered()).trim_end().to_owned())
                .collect()
        };
        let Some(binary) = build.test_binary(&self.package) else {
            let errors = messages(Diagnostic::is_error);
            let reason = if errors.is_empty() {
                "a dependency does not compile".to_owned()
            } else {
                errors.join("\n\n")
            };
            return Ok(vec![format!(
                "{file}: the file must compile with the exercise's tests, but it does not:\n{reason}"
            )]);
        };
        let mut problems = Vec::new();
        // A wrong answer may have warnings.
        if !matches!(self.kind, VariantKind::WrongAnswer { .. }) {
            for warning in messages(Diagnostic::is_warning) {
                problems.push(format!(
                    "{file}: the file must compile without a warning; remove the cause of this \
                     warning:\n{warning}"
                ));
            }
        }
        let outcome = test_run::run_tests(
            &app.machine,
            &self.exercise,
            binary,
            &mut io::sink(),
            &mut || false,
        )
        .with_context(|| file.clone())?;
        let result = match &self.kind {
            VariantKind::Stub => self.verify_stub(&outcome),
            VariantKind::Solution => self.verify_solution(&outcome),
            VariantKind::WrongAnswer { expected_message } => {
                self.verify_wrong_answer(&outcome, expected_message)
            }
        };
        problems.extend(result.err().map(|problem| format!("{file}: {problem}")));
        Ok(problems)
    }

    /// The report, or a sentence about why there is none.
    fn report<'a>(&self, outcome: &'a TestOutcome) -> Result<&'a TestReport, String> {
        match outcome {
            TestOutcome::Completed(report) => Ok(report),
            TestOutcome::Stopped { .. } => Err(self.explain_stop(outcome).unwrap_or_default()),
            TestOutcome::Crashed { status, last_lines } => {
                let separator = if last_lines.is_empty() { "" } else { ":\n" };
                Err(format!(
                    "the tests ended without a result ({status}), but they must fail or \
                     pass{separator}{last_lines}"
                ))
            }
        }
    }

    /// Why the tests were stopped, if they were.
    fn explain_stop(&self, outcome: &TestOutcome) -> Option<String> {
        let TestOutcome::Stopped {
            reason, running, ..
        } = outcome
        else {
            return None;
        };
        Some(format!(
            "{} {}; a test must end by itself, or exercise.toml needs a larger limit_seconds",
            running.join(", "),
            reason.describe(self.exercise.time_limit)
        ))
    }

    fn verify_stub(&self, outcome: &TestOutcome) -> Result<(), String> {
        let report = self.report(outcome)?;
        if report.failures.is_empty() {
            return Err(format!(
                "the stub must fail, but all its {} tests pass; it is solved already, or the tests \
                 test something else",
                report.passed
            ));
        }
        let is_todo_with_task = |failure: &TestFailure| {
            let task = failure
                .message()
                .strip_prefix(TODO_MESSAGE)
                .and_then(|rest| rest.strip_prefix(':'));
            task.is_some_and(|task| !task.trim().is_empty())
        };
        let mut failures = report.failures.iter();
        match failures.find(|failure| !is_todo_with_task(failure)) {
            Some(failure) => Err(format!(
                "every test that fails on the stub must fail because of `todo!(\"what to do\")`, but \
                 `{}` has another reason:\n{}",
                failure.test,
                failure.message()
            )),
            None => Ok(()),
        }
    }

    fn verify_solution(&self, outcome: &TestOutcome) -> Result<(), String> {
        let report = self.report(outcome)?;
        if let Some(failure) = report.failures.first() {
            return Err(format!(
                "the solution must pass, but `{}` fails:\n{}",
                failure.test,
                failure.message()
            ));
        }
        if report.ignored > 0 {
            return Err(format!(
                "no test may be ignored, but {} are; an ignored test proves nothing",
                report.ignored
            ));
        }
        if report.passed == 0 {
            return Err("there must be at least one test, but there is none".to_owned());
        }
        Ok(())
    }

    fn verify_wrong_answer(&self, outcome: &TestOutcome, expected: &str) -> Result<(), String> {
        let is_expected =
            |message: &str| normalise_spaces(message).contains(&normalise_spaces(expected));
        if let Some(message) = self.explain_stop(outcome) {
            // A time-out is right only if the file expects it.
            return if is_expected(&message) {
                Ok(())
            } else {
                Err(message)
            };
        }
        let report = self.report(outcome)?;
        if report.failures.is_empty() {
            return Err(format!(
                "this wrong answer must be rejected, but all {} tests pass; a test is missing, or \
                 the answer is correct",
                report.passed
            ));
        }
        // Only panics count. Printed text does not reject anything.
        let mut panics = report.failures.iter().filter_map(TestFailure::panic);
        if panics.any(|panic| is_expected(&panic.message)) {
            return Ok(());
        }
        let messages: Vec<String> = report
            .failures
            .iter()
            .map(|failure| format!("{}: {}", failure.test, failure.message()))
            .collect();
        Err(format!(
            "the tests reject this, but without the message \"{expected}\"; correct a test's message \
             or the line `// Says:`. The messages are:\n{}",
            messages.join("\n")
        ))
    }
}

fn normalise_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
