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
use crate::exercises::test_suite::TestSuite;
use crate::run::build::{BuildResult, Diagnostic};
use crate::run::libtest::{TODO_MESSAGE, TestFailure, TestReport};
use crate::run::process::StopReason;
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
        message: String,
        /// The number of the rule that it breaks.
        rule: Option<usize>,
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
    /// The name of its package. All wrong answers of an exercise share one.
    pub package: String,
    /// The module of a wrong answer and its tests in that package.
    pub module: Option<String>,
}

/// All variants of an exercise, and the problems of the files with wrong answers.
pub fn find_variants(repository: &Repository, exercise: &Exercise) -> (Vec<Variant>, Vec<String>) {
    let new_variant = |kind, source, package: &str, module| Variant {
        exercise: exercise.clone(),
        kind,
        source,
        package: format!("{package}_of_{}", exercise.id),
        module,
    };
    let (stub, solution) = (exercise.stub_file(), exercise.solution_file());
    let mut variants = vec![
        new_variant(VariantKind::Stub, stub, "stub", None),
        new_variant(VariantKind::Solution, solution, "solution", None),
    ];
    // `rules` has reported a missing file.
    variants.retain(|variant| variant.source.is_file());

    let dir = exercise.solution_dir().join("wrong");
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
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
        let module = Some(format!("wrong_{name}"));
        let [wrong, says, breaks] = header(&text);
        let rule = breaks.and_then(|rule| rule.strip_prefix("rule ")?.parse().ok());
        if wrong.is_none() || says.is_none() || rule.is_none() {
            problems.push(format!(
                "{}: the first three lines must be `// Wrong: ` with the mistake in a sentence, \
                 `// Says: ` with a part of the message that has to reject it, and \
                 `// Breaks: rule ` with the number of the rule",
                repository.display_path(&source)
            ));
        }
        if let Some(message) = says.map(str::to_owned) {
            let kind = VariantKind::WrongAnswer { message, rule };
            variants.push(new_variant(kind, source, "wrong_answers", module));
        }
    }
    (variants, problems)
}

/// The texts of the first three lines of a wrong answer.
fn header(text: &str) -> [Option<&str>; 3] {
    let mut lines = text.lines();
    ["// Wrong: ", "// Says: ", "// Breaks: "].map(|prefix| {
        let rest = lines.next()?.strip_prefix(prefix)?.trim();
        (!rest.is_empty()).then_some(rest)
    })
}

impl Variant {
    /// Runs the tests on this variant. Returns the problems.
    pub fn verify(&self, app: &App, build: &BuildResult) -> anyhow::Result<Vec<String>> {
        let file = app.repository.display_path(&self.source);
        let texts = |diagnostics: Vec<&Diagnostic>| -> Vec<String> {
            let texts = diagnostics.into_iter().map(Diagnostic::rendered);
            texts
                .map(|text| strip_escapes(text).trim_end().to_owned())
                .collect()
        };
        let mut errors = texts(build.errors_in(&self.source).collect());
        let binary = build.test_binary(&self.package);
        let Some(binary) = binary.filter(|_| errors.is_empty()) else {
            if errors.is_empty() {
                // The tests do not compile with it, or with another wrong answer.
                let all = build.diagnostics_of(&self.package);
                errors = texts(all.filter(|it| it.is_error()).collect());
            }
            if errors.is_empty() {
                errors.push("a dependency does not compile".to_owned());
            }
            return Ok(vec![format!(
                "{file}: the file must compile with the exercise's tests, but it does not:\n{}",
                errors.join("\n\n")
            )]);
        };
        let mut problems = Vec::new();
        // A wrong answer may have warnings.
        if self.module.is_none() {
            let all = build.diagnostics_of(&self.package);
            for warning in texts(all.filter(|it| it.is_warning()).collect()) {
                problems.push(format!(
                    "{file}: the file must compile without a warning; remove the cause of this \
                     warning:\n{warning}"
                ));
            }
        }
        let mut result = Ok(());
        for filters in self.filters() {
            let (messages, exercise) = (&mut io::sink(), &self.exercise);
            let is_cancelled = &mut || false;
            let outcome = test_run::run_tests(
                &app.machine,
                exercise,
                binary,
                &filters,
                messages,
                is_cancelled,
            );
            let outcome = outcome.with_context(|| file.clone())?;
            result = match &self.kind {
                VariantKind::Stub => self.verify_stub(&outcome),
                VariantKind::Solution => self.verify_solution(&outcome),
                VariantKind::WrongAnswer { message, rule } => {
                    self.verify_wrong_answer(&outcome, message, *rule)
                }
            };
            if result.is_ok() {
                break;
            }
        }
        problems.extend(result.err().map(|problem| format!("{file}: {problem}")));
        Ok(problems)
    }

    /// Which tests run, as arguments of the test binary. Of a wrong answer, the tests of the broken
    /// rule run first. They are usually enough. The other tests run only if they are not.
    fn filters(&self) -> Vec<Vec<String>> {
        let Some(module) = &self.module else {
            return vec![Vec::new()];
        };
        let mut filters = vec![vec![format!("{module}::")]];
        if let VariantKind::WrongAnswer {
            rule: Some(rule), ..
        } = &self.kind
        {
            let tests = TestSuite::read(&self.exercise).tests_of_rule(*rule);
            let names = tests.iter().map(|test| format!("{module}::{test}"));
            let mut of_rule: Vec<String> = names.collect();
            if !of_rule.is_empty() {
                of_rule.push("--exact".to_owned());
                filters.insert(0, of_rule);
            }
        }
        filters
    }

    /// The report, or a sentence about why there is none.
    fn report<'a>(&self, outcome: &'a TestOutcome) -> Result<&'a TestReport, String> {
        match outcome {
            TestOutcome::Completed(report) => Ok(report),
            TestOutcome::Stopped {
                reason, running, ..
            } => Err(self.explain_stop(*reason, running)),
            TestOutcome::Crashed { status, last_lines } => {
                let separator = if last_lines.is_empty() { "" } else { ":\n" };
                Err(format!(
                    "the tests ended without a result ({status}), but they must fail or \
                     pass{separator}{last_lines}"
                ))
            }
        }
    }

    /// Why the tests were stopped.
    fn explain_stop(&self, reason: StopReason, running: &[String]) -> String {
        let running = running.iter().map(|test| self.without_module(test));
        let running: Vec<&str> = running.collect();
        format!(
            "{} {}; a test must end by itself, or exercise.toml needs a larger limit_seconds",
            running.join(", "),
            reason.describe(self.exercise.time_limit)
        )
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
        let is_todo_with_task = |failure: &&TestFailure| {
            let task = failure.message().strip_prefix(TODO_MESSAGE);
            let task = task.and_then(|rest| rest.strip_prefix(':'));
            task.is_some_and(|task| !task.trim().is_empty())
        };
        match report.failures.iter().find(|it| !is_todo_with_task(it)) {
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
        match (report.ignored, report.passed) {
            (0, 0) => Err("there must be at least one test, but there is none".to_owned()),
            (0, _) => Ok(()),
            (ignored, _) => Err(format!(
                "no test may be ignored, but {ignored} are; an ignored test proves nothing"
            )),
        }
    }

    fn verify_wrong_answer(
        &self,
        outcome: &TestOutcome,
        expected: &str,
        rule: Option<usize>,
    ) -> Result<(), String> {
        let is_expected =
            |message: &str| normalise_spaces(message).contains(&normalise_spaces(expected));
        if let TestOutcome::Stopped {
            reason, running, ..
        } = outcome
        {
            // A time-out is right only if the file expects it.
            let message = self.explain_stop(*reason, running);
            if !is_expected(&message) {
                return Err(message);
            }
            return self.check_rule(rule, running.iter().map(String::as_str));
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
        let says_it = |failure: &&TestFailure| {
            let panic = failure.panic();
            panic.is_some_and(|panic| is_expected(&panic.message))
        };
        let rejecting = report.failures.iter().filter(says_it);
        let mut rejecting = rejecting.map(|failure| failure.test.as_str()).peekable();
        if rejecting.peek().is_some() {
            return self.check_rule(rule, rejecting);
        }
        let messages: Vec<String> = report
            .failures
            .iter()
            .map(|failure| {
                let test = self.without_module(&failure.test);
                format!("{test}: {}", failure.message())
            })
            .collect();
        Err(format!(
            "the tests reject this, but without the message \"{expected}\"; correct a test's message \
             or the line `// Says:`. The messages are:\n{}",
            messages.join("\n")
        ))
    }

    /// One of the tests that reject this wrong answer must name the broken rule.
    fn check_rule<'a>(
        &self,
        rule: Option<usize>,
        tests: impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        // The check of the files has reported a missing rule.
        let Some(rule) = rule else { return Ok(()) };
        let marked = TestSuite::read(&self.exercise).tests_of_rule(rule);
        let tests: Vec<&str> = tests.map(|test| self.without_module(test)).collect();
        if tests
            .iter()
            .any(|test| marked.iter().any(|marked| marked == test))
        {
            return Ok(());
        }
        Err(format!(
            "the tests reject this for rule {rule}, but `{}` does not begin its comment with \
             `// Rule {rule}.`; add that, or correct the line `// Breaks:`",
            tests.join("`, `")
        ))
    }

    /// A test's name in the exercise, without the module of a wrong answer.
    fn without_module<'a>(&self, test: &'a str) -> &'a str {
        let module = self.module.as_deref().unwrap_or_default();
        let rest = test.strip_prefix(module);
        rest.and_then(|rest| rest.strip_prefix("::"))
            .unwrap_or(test)
    }
}

fn normalise_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
