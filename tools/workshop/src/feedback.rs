//! What a learner is told after a check: [`tell`] prints the first failing assertion, and what to do about it.
//!
//! One thing at a time: of all that failed, the first in the order of the tests' file stands alone, and the rest is a number. Left out: the
//! compiler's own words, which are better than ours and are only followed by a sentence.

use std::io::{self, Write};

use crate::build::Diagnostic;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::hints;
use crate::judgement::{Judgement, Outcome};
use crate::libtest::{self, Failure, Report};
use crate::paint::{self, Paint};

/// What of a test's own printing is shown.
const PRINTED_LINES: usize = 12;

/// The surroundings of what is told.
pub struct Feedback<'a> {
    /// Where the learner is.
    pub desk: &'a Desk,
    /// Which exercise this is about.
    pub exercise: &'a Exercise,
    /// ` ID` where a command has to name the exercise, and nothing where it is the one at hand anyway.
    pub id: String,
    /// How many hints were shown.
    pub hints: usize,
    /// Whether they check by typing a command, and not by saving.
    pub is_typed: bool,
}

/// Prints what came of a check. For what is solved it prints the praise alone; what comes next is the caller's.
pub fn tell(feedback: &Feedback, judgement: &Judgement, output: &mut impl Write) -> io::Result<()> {
    let paint = feedback.desk.paint();
    match judgement {
        Judgement::NotCompiled(diagnostics) => feedback.not_compiled(diagnostics, output),
        Judgement::Tested { outcome, warnings } => match outcome {
            Outcome::Stopped => Ok(()),
            Outcome::Hung { tests, report } => feedback.hung(tests, report, output),
            Outcome::Crashed { how, words } => feedback.crashed(how, words, output),
            Outcome::Told(report) => match report.failures.first() {
                Some(failure) => feedback.red(failure, report, output),
                None if report.is_green() => feedback.green(report, warnings, output),
                None => writeln!(
                    output,
                    "{} No test failed, but {}, so nothing is proved. `git checkout -- {}` brings the tests back.",
                    paint.red("✗"),
                    if report.ignored > 0 {
                        "some are ignored"
                    } else {
                        "there are none"
                    },
                    feedback.name(&feedback.exercise.tests())
                ),
            },
        },
    }
}

impl Feedback<'_> {
    fn red(&self, failure: &Failure, report: &Report, output: &mut impl Write) -> io::Result<()> {
        let paint = self.paint();
        writeln!(
            output,
            "{} {}",
            paint.red("✗"),
            paint.bold(&libtest::sentence(&failure.test))
        )?;
        if let Some(panic) = failure.panic() {
            writeln!(
                output,
                "  {}:{}",
                self.name(panic.file.as_ref()),
                panic.line
            )?;
        }
        let message = failure.message();
        let message = if message.is_empty() {
            "(it says nothing)"
        } else {
            message
        };
        writeln!(output, "\n{}\n", indented(message))?;
        if failure.is_todo() {
            writeln!(output, "{}\n", right_red(report, self.hints))?;
        } else if !failure.printed.is_empty() && failure.panic().is_some() {
            writeln!(
                output,
                "It printed:\n{}\n",
                indented(&end_of(&failure.printed))
            )?;
        }
        let passed = format!("{} of {} tests pass", report.passed, report.all());
        writeln!(
            output,
            "{}  {passed}\n",
            paint::bar(paint, report.passed, report.all())
        )?;
        self.next(failure.is_todo() && report.passed == 0, output)
    }

    fn hung(&self, tests: &[String], report: &Report, output: &mut impl Write) -> io::Result<()> {
        let paint = self.paint();
        for test in tests {
            writeln!(
                output,
                "{} {}",
                paint.red("✗"),
                paint.bold(&libtest::sentence(test))
            )?;
        }
        let subject = match tests {
            [] => "The tests",
            [_] => "This test",
            _ => "These tests",
        };
        let limit = self.exercise.limit.as_secs();
        writeln!(
            output,
            "\n  {subject} did not end within {limit} s and {} stopped. Something waits for what never comes: a lock that is\n  \
             held already, a channel that nobody closes, a message that nobody sends, a loop without an end.\n",
            if tests.len() == 1 { "was" } else { "were" }
        )?;
        if !self.exercise.services.is_empty() {
            writeln!(
                output,
                "  Or a server was still starting: `cargo workshop up` waits until all of them run; then check again.\n"
            )?;
        }
        if report.all() > 0 {
            writeln!(
                output,
                "Before that {} passed and {} failed.\n",
                report.passed,
                report.failures.len()
            )?;
        }
        self.next(false, output)
    }

    fn crashed(&self, how: &str, words: &str, output: &mut impl Write) -> io::Result<()> {
        let paint = self.paint();
        writeln!(
            output,
            "{} {}",
            paint.red("✗"),
            paint.bold("the tests ended before they had a result")
        )?;
        writeln!(output, "  {how}\n")?;
        if !words.is_empty() {
            writeln!(output, "{}\n", indented(words))?;
        }
        writeln!(
            output,
            "Something ended the whole program: a call of `exit` or `abort`, or a recursion without an end.\n"
        )?;
        self.next(false, output)
    }

    fn not_compiled(&self, diagnostics: &[Diagnostic], output: &mut impl Write) -> io::Result<()> {
        let errors: Vec<_> = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.place.is_some() && diagnostic.is_error)
            .collect();
        let first = errors.first().and_then(|error| error.place.as_ref());
        let place = first.map_or_else(String::new, |(file, line)| {
            format!(" at {}:{line}", self.name(file.as_ref()))
        });
        let sentence = match errors.len() {
            0 | 1 => format!(
                "It does not compile yet; the compiler says above what it does not understand{place}."
            ),
            number => format!(
                "It does not compile yet: {number} errors. Begin with the first,{place}; others often go with it."
            ),
        };
        writeln!(output, "{}", self.paint().bold(&sentence))?;
        let tests = format!("tests/{}.rs", self.exercise.id);
        if first.is_some_and(|(file, _)| file.replace('\\', "/").ends_with(&tests)) {
            writeln!(
                output,
                "The tests call your functions and find them changed: names, parameters and return types have to stay as in the stub."
            )?;
        }
        Ok(())
    }

    fn green(
        &self,
        report: &Report,
        warnings: &[String],
        output: &mut impl Write,
    ) -> io::Result<()> {
        let paint = self.paint();
        for warning in warnings {
            writeln!(output, "{}", warning.trim_end())?;
            writeln!(output)?;
        }
        let all = match report.all() {
            1 => "The test passes".to_owned(),
            number => format!("All {number} tests pass"),
        };
        let solved = format!("{all}: {} is solved.", self.exercise.title);
        writeln!(output, "{} {}", paint.green("✓"), paint.bold(&solved))?;
        if !warnings.is_empty() {
            writeln!(
                output,
                "  The compiler has something to add, above; it is worth a look before you go on."
            )?;
        }
        Ok(())
    }

    /// What to do about a red.
    fn next(&self, is_first: bool, output: &mut impl Write) -> io::Result<()> {
        let source = self.name(&self.exercise.source());
        let page = self.name(&self.exercise.page_file());
        let id = &self.id;
        if is_first {
            writeln!(output, "Next   open {source}: the task stands at the top")?;
        } else {
            writeln!(output, "Next   edit {source}")?;
        }
        if self.is_typed {
            writeln!(output, "       and then `cargo workshop check{id}` again")?;
        }
        let hint = match self.hints {
            0 => format!("`cargo workshop hint{id}` gives a nudge"),
            hints::LEVELS => {
                format!("you have all hints: `cargo workshop hint{id} 3` shows the plan again")
            }
            hints => format!(
                "`cargo workshop hint{id}` gives hint {} of {}",
                hints + 1,
                hints::LEVELS
            ),
        };
        writeln!(output, "Stuck  {hint}; the page is {page}")
    }

    fn paint(&self) -> Paint {
        self.desk.paint()
    }

    fn name(&self, path: &std::path::Path) -> String {
        self.desk.repository.name(path)
    }
}

fn right_red(report: &Report, hints: usize) -> &'static str {
    let all_are = report.failures.iter().all(Failure::is_todo);
    match (report.passed, all_are) {
        (0, true) if hints == 0 => {
            "This is the right red: it compiles, the tests run, and this `todo!` is where your own work begins."
        }
        (0, true) => "This is the right red: the `todo!` is still there, and waits for you.",
        _ => "One part works, the next one waits: this `todo!` is still to do.",
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let rest = lines.len().saturating_sub(PRINTED_LINES);
    let mut shown = lines[rest..].join("\n");
    if rest > 0 {
        shown = format!("({rest} lines before)\n{shown}");
    }
    shown
}
