//! One variant of an exercise: the stub, the solution, or a wrong answer. [`Variant::judge`] runs the exercise's tests on it.
//!
//! Left out: how it was built, which is [`workspace`](super::workspace)'s.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::workspace::Workspace;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::judgement::{self, Outcome};
use crate::libtest::{self, Failure, Report};
use crate::repository::Repository;
use crate::tally;

/// What a variant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the learner begins with.
    Stub,
    /// What it should become.
    Solution,
    /// What it could become.
    Wrong {
        /// A piece of the message that has to reject it.
        says: String,
    },
}

/// A variant, and where it is.
#[derive(Clone, Debug)]
pub struct Variant {
    /// What it is.
    pub kind: Kind,
    /// The file that takes the place of `src/lib.rs`.
    pub source: PathBuf,
    /// The name of its package. Not `round_robin__stub`, for the compiler warns of two underscores in a crate's name.
    pub package: String,
}

/// All variants of an exercise, and what is wrong with its wrong answers before they are even built.
pub fn all(repository: &Repository, exercise: &Exercise) -> (Vec<Variant>, Vec<String>) {
    let id = &exercise.id;
    let (solution, stub) = (
        exercise.solution().join("src").join("lib.rs"),
        exercise.stub(),
    );
    let mut variants = vec![
        Variant {
            kind: Kind::Stub,
            source: stub,
            package: format!("stub_of_{id}"),
        },
        Variant {
            kind: Kind::Solution,
            source: solution,
            package: format!("solution_of_{id}"),
        },
    ];
    // That one of these is missing was already told.
    variants.retain(|variant| variant.source.is_file());

    let folder = exercise.solution().join("wrong");
    let entries = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    let mut problems = Vec::new();
    if files.len() < 2 {
        problems.push(format!(
            "{}: there have to be at least two wrong answers, and there are {}; write down what a learner would try first",
            repository.name(&folder),
            files.len()
        ));
    }
    for source in files {
        let text = fs::read_to_string(&source).unwrap_or_default();
        let name = source
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match says(&text) {
            Some(says) => variants.push(Variant {
                kind: Kind::Wrong { says },
                package: format!("wrong_{name}_of_{id}"),
                source,
            }),
            None => problems.push(format!(
                "{}: its first two lines have to be `// Wrong: ` with the mistake in a sentence, and `// Says: ` with a piece of the \
                 message that has to reject it",
                repository.name(&source)
            )),
        }
    }
    (variants, problems)
}

/// What the message has to say, from the second line of a wrong answer.
fn says(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let mut next = |mark| {
        lines
            .next()?
            .strip_prefix(mark)
            .map(str::trim)
            .filter(|rest| !rest.is_empty())
    };
    next("// Wrong: ")?;
    next("// Says: ").map(str::to_owned)
}

impl Variant {
    /// Runs the tests on it. Returns what is wrong; nothing, if it is as it should be.
    pub fn judge(
        &self,
        desk: &Desk,
        exercise: &Exercise,
        workspace: &Workspace,
    ) -> anyhow::Result<Vec<String>> {
        let file = desk.repository.name(&self.source);
        let manifest = workspace.manifest(self);
        let said = |is_wanted: fn(&crate::build::Diagnostic) -> bool| -> Vec<String> {
            let wanted = workspace
                .built
                .about(&manifest)
                .filter(|diagnostic| is_wanted(diagnostic));
            wanted
                .map(|diagnostic| {
                    tally::without_escapes(&diagnostic.rendered)
                        .trim_end()
                        .to_owned()
                })
                .collect()
        };
        let errors = said(|diagnostic| diagnostic.is_error);
        let Some(program) = workspace.built.program(&manifest) else {
            let what = if errors.is_empty() {
                "something that it needs".to_owned()
            } else {
                errors.join("\n\n")
            };
            return Ok(vec![format!(
                "{file}: it has to compile with the exercise's tests, and does not:\n{what}"
            )]);
        };
        let mut problems = Vec::new();
        // A wrong answer may be wrong in the compiler's eyes, too.
        if !matches!(self.kind, Kind::Wrong { .. }) {
            let warnings = said(|diagnostic| diagnostic.is_warning);
            let what = |warning| {
                format!(
                    "{file}: it has to compile without a warning; remove what the compiler warns of:\n{warning}"
                )
            };
            problems.extend(warnings.into_iter().map(what));
        }
        let outcome = judgement::test(&desk.machine, exercise, program, &mut || false)
            .with_context(|| file.clone())?;
        let judged = match &self.kind {
            Kind::Stub => stub(&outcome, exercise),
            Kind::Solution => solution(&outcome, exercise),
            Kind::Wrong { says } => wrong(&outcome, exercise, says),
        };
        problems.extend(judged.err().map(|problem| format!("{file}: {problem}")));
        Ok(problems)
    }
}

/// The report, or a sentence about why there is none.
fn told<'a>(outcome: &'a Outcome, exercise: &Exercise) -> Result<&'a Report, String> {
    match outcome {
        Outcome::Told(report) => Ok(report),
        Outcome::Hung { tests, .. } => Err(never_ended(tests, exercise)),
        Outcome::Crashed { how, words } => {
            let words = if words.is_empty() {
                String::new()
            } else {
                format!(":\n{words}")
            };
            Err(format!(
                "its tests ended before they had a result ({how}); they have to fail or pass{words}"
            ))
        }
        Outcome::Stopped => Err("its tests were stopped".to_owned()),
    }
}

fn never_ended(tests: &[String], exercise: &Exercise) -> String {
    format!(
        "{} did not end within {} s; a test has to end by itself, or exercise.toml needs a larger limit_seconds",
        tests.join(", "),
        exercise.limit.as_secs()
    )
}

fn stub(outcome: &Outcome, exercise: &Exercise) -> Result<(), String> {
    let report = told(outcome, exercise)?;
    let Some(_) = report.failures.first() else {
        return Err(format!(
            "the stub has to be red, and all its {} tests pass; it is solved already, or the tests test something else",
            report.passed
        ));
    };
    let says_what = |failure: &Failure| {
        let message = failure
            .message()
            .strip_prefix(libtest::TODO)
            .and_then(|rest| rest.strip_prefix(':'));
        message.is_some_and(|what| !what.trim().is_empty())
    };
    match report.failures.iter().find(|failure| !says_what(failure)) {
        Some(other) => Err(format!(
            "every test that fails on the stub has to fail by its `todo!(\"what to do\")`, and `{}` fails otherwise:\n{}",
            other.test,
            other.message()
        )),
        None => Ok(()),
    }
}

fn solution(outcome: &Outcome, exercise: &Exercise) -> Result<(), String> {
    let report = told(outcome, exercise)?;
    if let Some(failure) = report.failures.first() {
        return Err(format!(
            "the solution has to be green, and `{}` fails:\n{}",
            failure.test,
            failure.message()
        ));
    }
    if report.ignored > 0 {
        return Err(format!(
            "no test may be ignored, and {} are; an ignored test proves nothing",
            report.ignored
        ));
    }
    if report.passed == 0 {
        return Err("there has to be at least one test, and there is none".to_owned());
    }
    Ok(())
}

fn wrong(outcome: &Outcome, exercise: &Exercise, says: &str) -> Result<(), String> {
    let same = |text: &str| {
        text.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(&same_spaces(says))
    };
    if let Outcome::Hung { tests, .. } = outcome {
        // Only if it is known for that.
        let message = never_ended(tests, exercise);
        return if same(&message) { Ok(()) } else { Err(message) };
    }
    let report = told(outcome, exercise)?;
    if report.failures.is_empty() {
        return Err(format!(
            "this wrong answer has to be rejected, and all {} tests pass; a test is missing, or it is not wrong",
            report.passed
        ));
    }
    // What a test merely printed does not reject anything.
    let mut messages = report
        .failures
        .iter()
        .filter_map(Failure::panic)
        .map(|panic| panic.message.as_str());
    if messages.any(same) {
        return Ok(());
    }
    let messages: Vec<String> = report
        .failures
        .iter()
        .map(|failure| format!("{}: {}", failure.test, failure.message()))
        .collect();
    Err(format!(
        "it is rejected, but with another message than \"{says}\"; a test has to say that, or the line `// Says:` something else. What is \
         said:\n{}",
        messages.join("\n")
    ))
}

fn same_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
