//! Explains the outcome of a check to the learner: [`CheckReport::print`].
//!
//! Only the first failed test in the test file's order is shown. The caller prints the compiler's
//! errors, and this adds one sentence.

use std::io::{self, Write};

use super::outcome::CheckOutcome;
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::hints::HINT_COUNT;
use crate::exercises::test_run::TestOutcome;
use crate::learner::CommandStyle;
use crate::run::build::Diagnostic;
use crate::run::libtest::{self, TestFailure, TestReport};
use crate::run::process::StopReason;
use crate::terminal::progress_bar::progress_bar;
use crate::terminal::text::last_lines;

/// How many lines of a test's message are shown.
const MESSAGE_LINES: usize = 40;
/// How many lines of a test's own output are shown.
const OUTPUT_LINES: usize = 12;

/// What the report depends on besides the outcome.
pub struct CheckReport<'a> {
    /// The environment of the command.
    pub app: &'a App,
    /// The exercise.
    pub exercise: &'a Exercise,
    /// ` ID` if a command has to name the exercise; empty if it is the current exercise.
    pub id_argument: String,
    /// How many hints the learner has seen.
    pub hints: usize,
    /// Where the learner types the next command.
    pub style: CommandStyle,
    /// Where the report is printed.
    pub output: &'a mut dyn Write,
}

impl CheckReport<'_> {
    /// Prints the report. For a solved exercise, the caller prints what comes next.
    pub fn print(&mut self, outcome: &CheckOutcome) -> io::Result<()> {
        let (outcome, warnings) = match outcome {
            CheckOutcome::CompileError(diagnostics) => {
                return self.compile_error(diagnostics);
            }
            CheckOutcome::Tested { outcome, warnings } => (outcome, warnings),
        };
        match outcome {
            TestOutcome::Stopped {
                reason,
                running,
                report,
            } => self.stopped(*reason, running, report),
            TestOutcome::Crashed { status, last_lines } => self.crashed(status, last_lines),
            TestOutcome::Completed(report) => match report.failures.first() {
                Some(failure) => self.failed(failure, report),
                None if report.all_passed() => self.solved(report, warnings),
                None => self.nothing_tested(report),
            },
        }
    }

    fn failed(&mut self, failure: &TestFailure, report: &TestReport) -> io::Result<()> {
        self.failed_test(&failure.test)?;
        if let Some(panic) = failure.panic() {
            let file = self.app.display_path(panic.file.as_ref());
            writeln!(self.output, "  {file}:{}", panic.line)?;
        }
        let message = match failure.message() {
            "" => "(no message)",
            message => message,
        };
        writeln!(self.output, "\n{}\n", indent(&start_of(message)))?;
        if failure.is_todo() {
            writeln!(self.output, "{}\n", explain_todo(report, self.hints))?;
        } else if !failure.output.is_empty() && failure.panic().is_some() {
            let printed = indent(&end_of(&failure.output));
            writeln!(self.output, "The test printed:\n{printed}\n")?;
        }
        let (passed, total) = (report.passed, report.total());
        let bar = progress_bar(self.app.styles(), passed, total);
        writeln!(self.output, "{bar}  {passed} of {total} tests pass\n")?;
        self.next_step(failure.is_todo() && passed == 0)
    }

    fn nothing_tested(&mut self, report: &TestReport) -> io::Result<()> {
        let reason = if report.ignored > 0 {
            "some tests are ignored"
        } else {
            "there are no tests"
        };
        writeln!(
            self.output,
            "{} No test failed, but {reason}, so this proves nothing. `git checkout -- {}` restores \
             the tests.",
            self.app.styles().tick(false),
            self.app.display_path(&self.exercise.tests_dir())
        )
    }

    fn stopped(
        &mut self,
        reason: StopReason,
        running: &[String],
        report: &TestReport,
    ) -> io::Result<()> {
        for test in running {
            self.failed_test(test)?;
        }
        let (subject, verb) = match running {
            [] => ("The tests", "were"),
            [_] => ("This test", "was"),
            _ => ("These tests", "were"),
        };
        let explanation = match reason {
            StopReason::Time => {
                "The code waits for ever. Possible reasons:\n  a lock that is never released, a \
                 channel that is never closed, a message that never\n  arrives, or an endless loop."
            }
            StopReason::Memory | StopReason::Output => {
                "Your code prints without end,\n  or collects values without end. Which loop does \
                 not stop?"
            }
            StopReason::Cancelled => return Ok(()),
        };
        let description = reason.describe(self.exercise.time_limit);
        writeln!(
            self.output,
            "\n  {subject} {description} and {verb} stopped. {explanation}\n"
        )?;
        if reason == StopReason::Time && !self.exercise.services.is_empty() {
            writeln!(
                self.output,
                "  Or a server was still starting: `cargo workshop up` waits until all servers \
                 run. Then check again.\n"
            )?;
        }
        if report.total() > 0 {
            let (passed, failed) = (report.passed, report.failures.len());
            writeln!(
                self.output,
                "Before that, {passed} passed and {failed} failed.\n"
            )?;
        }
        self.next_step(false)
    }

    fn crashed(&mut self, status: &str, last_lines: &str) -> io::Result<()> {
        let styles = self.app.styles();
        let headline = styles.bold("the tests ended without a result");
        writeln!(self.output, "{} {headline}", styles.tick(false))?;
        writeln!(self.output, "  {status}\n")?;
        if !last_lines.is_empty() {
            writeln!(self.output, "{}\n", indent(last_lines))?;
        }
        writeln!(
            self.output,
            "The whole program ended: because of `exit`, `abort` or an endless recursion.\n"
        )?;
        self.next_step(false)
    }

    fn compile_error(&mut self, diagnostics: &[Diagnostic]) -> io::Result<()> {
        let errors: Vec<_> = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .filter_map(Diagnostic::location)
            .collect();
        let location = errors.first().map_or_else(String::new, |(file, line)| {
            format!(" at {}:{line}", self.app.display_path(file.as_ref()))
        });
        let sentence = match errors.len() {
            0 | 1 => {
                format!("The code does not compile: see the compiler's error above{location}.")
            }
            count => format!(
                "The code does not compile: {count} errors. Start with the first{location}; it may \
                 cause the others."
            ),
        };
        writeln!(self.output, "{}", self.app.styles().bold(&sentence))?;
        let tests = format!("tests/{}.rs", self.exercise.id);
        let is_in_tests = |(file, _): &(&str, usize)| file.replace('\\', "/").ends_with(&tests);
        if errors.first().is_some_and(is_in_tests) {
            writeln!(
                self.output,
                "The tests call your functions: keep the names, parameters and return types of \
                 the stub."
            )?;
        }
        Ok(())
    }

    fn solved(&mut self, report: &TestReport, warnings: &[String]) -> io::Result<()> {
        let styles = self.app.styles();
        for warning in warnings {
            writeln!(self.output, "{}\n", warning.trim_end())?;
        }
        let tests = match report.total() {
            1 => "The test passes".to_owned(),
            total => format!("All {total} tests pass"),
        };
        let headline = format!("{tests}: {} is solved.", self.exercise.title);
        writeln!(
            self.output,
            "{} {}",
            styles.tick(true),
            styles.bold(&headline)
        )?;
        if !warnings.is_empty() {
            writeln!(
                self.output,
                "  The compiler has warnings, see above. Read them before you continue."
            )?;
        }
        Ok(())
    }

    /// What to do after a failure.
    fn next_step(&mut self, is_first_run: bool) -> io::Result<()> {
        let source = self.app.display_path(&self.exercise.source_file());
        let page = self.exercise.page_link();
        let id = &mut self.id_argument;
        if is_first_run {
            writeln!(self.output, "Next   open {source}: the task is at the top")?;
        } else {
            writeln!(self.output, "Next   edit {source}")?;
        }
        if self.style == CommandStyle::Shell {
            writeln!(
                self.output,
                "       then run `cargo workshop check{id}` again"
            )?;
        }
        let command = self.style.command("hint", id);
        let hint = match self.hints {
            0 => format!("{command} gives the first hint"),
            HINT_COUNT => format!("you have seen all hints: {command} shows the last again"),
            hints => format!("{command} gives hint {} of {HINT_COUNT}", hints + 1),
        };
        writeln!(self.output, "Stuck  {hint}; the page is {page}")
    }

    fn failed_test(&mut self, test: &str) -> io::Result<()> {
        let styles = self.app.styles();
        let name = libtest::test_name_as_words(test);
        writeln!(self.output, "{} {}", styles.tick(false), styles.bold(&name))
    }
}

fn explain_todo(report: &TestReport, hints: usize) -> &'static str {
    let are_all_todo = report.failures.iter().all(TestFailure::is_todo);
    match (report.passed, are_all_todo) {
        (0, true) if hints == 0 => {
            "This failure is expected: the code compiles, the tests run, and your work starts at \
             this `todo!`."
        }
        (0, true) => "This failure is expected: replace the `todo!` with your code.",
        _ => "One part works. Next, replace this `todo!` with your code.",
    }
}

fn indent(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn start_of(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().take(MESSAGE_LINES).collect();
    let hidden = text.lines().count() - lines.len();
    let note = format!("({hidden} more lines)");
    if hidden > 0 {
        lines.push(&note);
    }
    lines.join("\n")
}

fn end_of(text: &str) -> String {
    let shown = last_lines(text, OUTPUT_LINES);
    let hidden = text.lines().count() - shown.len();
    let shown = shown.join("\n");
    if hidden > 0 {
        format!("({hidden} lines before)\n{shown}")
    } else {
        shown
    }
}
