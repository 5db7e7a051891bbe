//! `cargo workshop check`: builds an exercise, runs its tests, and tells what to do next.
//!
//! The exit code is 0 only if it is solved. Left out: checking again by itself, which is [`watch`](super::watch).

use std::io::{self, Write};
use std::process::ExitCode;

use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::feedback::{self, Feedback};
use crate::judgement::{self, Judgement, Outcome};
use crate::paint;
use crate::progress::{Progress, State};

/// The command line of `cargo workshop check`, and of others that are about one exercise.
#[derive(Debug, Default, clap::Args)]
pub struct Options {
    /// Which exercise: its id or its folder; without it, the one you stand in, or the first that is to do
    #[arg(value_name = "ID")]
    pub(super) exercise: Option<String>,
}

/// Checks one exercise.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let desk = Desk::here();
    let is_solved = check(&desk, options, &mut io::stdout(), &mut io::stderr())?;
    Ok(if is_solved {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check(
    desk: &Desk,
    options: &Options,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let catalogue = Catalogue::load(&desk.repository)?;
    let progress = Progress::load(&desk.repository)?;
    let exercise = catalogue.choose(options.exercise.as_deref(), &desk.stands_in, &progress)?;
    let mut round = Round {
        desk,
        catalogue: &catalogue,
        exercise,
        is_typed: true,
    };
    Ok(round.check(&mut || false, output, messages)? == Some(true))
}

/// One check of one exercise.
pub(super) struct Round<'a> {
    pub(super) desk: &'a Desk,
    pub(super) catalogue: &'a Catalogue,
    pub(super) exercise: &'a Exercise,
    /// Whether the learner has typed a command, and not only saved a file.
    pub(super) is_typed: bool,
}

impl Round<'_> {
    /// Whether it is solved; nothing if `stop` said so before that was known.
    pub(super) fn check(
        &mut self,
        stop: &mut dyn FnMut() -> bool,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<Option<bool>> {
        let judgement = judgement::judge(self.desk, self.exercise, stop, messages)?;
        if let Judgement::NotCompiled(diagnostics) = &judgement {
            for diagnostic in diagnostics {
                messages.write_all(diagnostic.rendered.as_bytes())?;
            }
            messages.flush()?;
        }
        let is_solved = match &judgement {
            Judgement::Tested {
                outcome: Outcome::Stopped,
                ..
            } => return Ok(None),
            Judgement::Tested {
                outcome: Outcome::Told(report),
                ..
            } => report.is_green(),
            _ => false,
        };
        let progress = Progress::change(&self.desk.repository, &self.exercise.id, |entry| {
            entry.state = match entry.state {
                _ if is_solved => State::Solved,
                State::Fresh => State::Started,
                // Solved once is solved: who tries something out afterwards loses nothing.
                other => other,
            };
        })?;
        let feedback = Feedback {
            desk: self.desk,
            exercise: self.exercise,
            id: self.id(&progress),
            hints: progress.entry(&self.exercise.id).hints,
            is_typed: self.is_typed,
        };
        feedback::tell(&feedback, &judgement, output)?;
        if is_solved {
            self.what_next(&progress, output)?;
        }
        output.flush()?;
        Ok(Some(is_solved))
    }

    /// What a command needs after its name to be about this exercise.
    fn id(&self, progress: &Progress) -> String {
        let at_hand = self.catalogue.choose(None, &self.desk.stands_in, progress);
        match at_hand {
            Ok(at_hand) if at_hand.id == self.exercise.id => String::new(),
            _ => format!(" {}", self.exercise.id),
        }
    }

    fn what_next(&self, progress: &Progress, output: &mut impl Write) -> anyhow::Result<()> {
        let (done, all) = (
            self.catalogue.solved(progress),
            self.catalogue.exercises.len(),
        );
        let name = |path: &_| self.desk.repository.name(path);
        writeln!(
            output,
            "\n{}  {done} of {all} exercises solved\n",
            paint::bar(self.desk.paint(), done, all)
        )?;
        writeln!(
            output,
            "Compare  `cargo workshop diff {}` shows our solution beside yours",
            self.exercise.id
        )?;
        match self.catalogue.current(progress) {
            None if done == all => writeln!(
                output,
                "Next     that was the last one: all are solved. `cargo run -p ch05-full` runs the whole that they are parts of"
            )?,
            None => writeln!(
                output,
                "Next     what is left are exercises that you have skipped: `cargo workshop list` names them"
            )?,
            Some(next) => {
                let minutes = paint::minutes(next.minutes);
                writeln!(
                    output,
                    "Next     {} ({minutes}): read {}",
                    next.title,
                    name(&next.page_file())
                )?;
                writeln!(output, "         and open {}", name(&next.source()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, SOLVED};

    fn checked(fixture: &Fixture) -> (bool, String, String) {
        let (mut output, mut messages) = (Vec::new(), Vec::new());
        let options = Options {
            exercise: Some("counter".to_owned()),
        };
        let is_solved = check(&fixture.desk(), &options, &mut output, &mut messages).unwrap();
        // Another cargo may be at work on this machine. That ours waits for it is passed on, and says nothing about the exercise.
        let is_ours = |line: &&str| !line.contains("Blocking waiting for file lock");
        let messages = String::from_utf8(messages).unwrap();
        let messages = messages.split_inclusive('\n').filter(is_ours).collect();
        (is_solved, String::from_utf8(output).unwrap(), messages)
    }

    fn first_lines(text: &str, count: usize) -> Vec<&str> {
        text.lines()
            .filter(|line| !line.is_empty())
            .take(count)
            .collect()
    }

    #[test]
    fn an_exercise_is_walked_through_from_the_first_red_to_the_next_exercise() {
        let fixture = Fixture::new();

        let (is_solved, output, messages) = checked(&fixture);
        assert!(!is_solved);
        assert_eq!(messages, "", "nothing stands before the assertion");
        assert_eq!(
            first_lines(&output, 4),
            [
                "✗ every number is the one before and one more",
                "  exercises/01_chapter/01_counter/src/lib.rs:8",
                "  not yet implemented: return the next number",
                "This is the right red: it compiles, the tests run, and this `todo!` is where your own work begins."
            ],
            "the first in the file, not the alphabet: {output}"
        );
        assert!(output.contains("0 of 2 tests pass"), "{output}");
        assert_eq!(fixture.text(".workshop/progress"), "counter started\n");

        fixture.edit(&SOLVED.replace("last + 1", "last + 2"));
        let (is_solved, output, _) = checked(&fixture);
        assert!(!is_solved);
        assert_eq!(
            first_lines(&output, 5),
            [
                "✗ every number is the one before and one more",
                "  exercises/01_chapter/01_counter/tests/counter.rs:5",
                "  assertion `left == right` failed: after 1 comes 2: is it one more?",
                "    left: 3",
                "   right: 2",
            ]
        );
        assert!(output.contains("1 of 2 tests pass"), "{output}");
        assert!(!output.contains("right red"), "this one is wrong: {output}");

        fixture.edit(&SOLVED.replace("last + 1", "last +"));
        let (is_solved, output, messages) = checked(&fixture);
        assert!(!is_solved);
        assert!(
            messages.starts_with("error: expected expression"),
            "{messages}"
        );
        assert!(
            messages.contains("--> exercises/01_chapter/01_counter/src/lib.rs:"),
            "{messages}"
        );
        assert_eq!(output.lines().count(), 1, "one sentence: {output}");

        fixture.edit(SOLVED);
        let (is_solved, output, _) = checked(&fixture);
        assert!(is_solved);
        assert!(
            output.starts_with("✓ All 2 tests pass: Count up is solved."),
            "{output}"
        );
        assert!(output.contains("`cargo workshop diff counter`"), "{output}");
        assert!(
            output.contains("Next     Second (1 minute): read book/src/page.md"),
            "{output}"
        );
        assert_eq!(fixture.text(".workshop/progress"), "counter solved\n");

        fixture.edit(&SOLVED.replace("last + 1", "last + 2"));
        let (is_solved, output, _) = checked(&fixture);
        assert!(!is_solved, "the exit code is about now");
        assert!(
            output.contains("`cargo workshop check counter` again"),
            "it is not the one at hand: {output}"
        );
        assert_eq!(
            fixture.text(".workshop/progress"),
            "counter solved\n",
            "nothing is lost"
        );
    }

    #[test]
    fn a_test_that_hangs_is_ended_and_named() {
        let fixture = Fixture::new();
        fixture.edit(&SOLVED.replace(
            "last + 1",
            "if last == 1 { loop { std::thread::park() } } last + 1",
        ));
        fixture.describe("limit_seconds = 1");

        let (is_solved, output, _) = checked(&fixture);

        assert!(!is_solved);
        assert!(
            output.starts_with("✗ every number is the one before and one more\n"),
            "{output}"
        );
        assert!(
            output.contains("This test did not end within 1 s and was stopped."),
            "{output}"
        );
        assert!(
            output.contains("Before that 1 passed and 0 failed"),
            "{output}"
        );
    }

    #[test]
    fn a_call_of_exit_is_no_success() {
        let fixture = Fixture::new();
        fixture.edit(&SOLVED.replace("last + 1", "std::process::exit(0)"));

        let (is_solved, output, _) = checked(&fixture);

        assert!(!is_solved);
        assert!(
            output.contains("the tests ended before they had a result"),
            "{output}"
        );
    }

    #[test]
    fn tests_that_were_changed_prove_nothing() {
        let fixture = Fixture::new();
        fixture.edit(SOLVED);
        let tests = fixture.text("exercises/01_chapter/01_counter/tests/counter.rs");
        fixture.write(
            "exercises/01_chapter/01_counter/tests/counter.rs",
            &tests.replace("#[test]", "#[test]\n#[ignore]"),
        );

        let (is_solved, output, _) = checked(&fixture);

        assert!(!is_solved);
        assert!(
            output.contains("some are ignored, so nothing is proved"),
            "{output}"
        );
    }

    #[test]
    fn what_a_learner_printed_and_what_the_compiler_adds_is_shown_after() {
        let fixture = Fixture::new();
        let printing = SOLVED.replace("last + 1", "println!(\"last is {last}\"); last + 2");
        fixture.edit(&printing);
        let (_, output, _) = checked(&fixture);
        let (assertion, printed) = (
            output.find("assertion").unwrap(),
            output.find("last is 1").unwrap(),
        );
        assert!(assertion < printed, "{output}");

        fixture.edit(&SOLVED.replace("last + 1", "let unused = 1; last + 1"));
        let (is_solved, output, messages) = checked(&fixture);
        assert!(is_solved);
        assert!(
            output.contains("warning: unused variable: `unused`"),
            "{output} {messages}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn servers_that_cannot_be_had_are_told_before_anything_is_built() {
        let fixture = Fixture::new();
        fixture.describe("services = [\"redis\"]");
        let fakes = crate::fakes::Fakes::new();
        let desk = Desk {
            machine: fakes.machine(),
            ..fixture.desk()
        };

        let error =
            check(&desk, &Options::default(), &mut Vec::new(), &mut Vec::new()).unwrap_err();

        assert!(
            error
                .to_string()
                .starts_with("Docker is not installed here"),
            "{error}"
        );
        assert!(fakes.calls().is_empty());
    }
}
