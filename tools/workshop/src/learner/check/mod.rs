//! `cargo workshop check`: builds an exercise, runs its tests, and says what to do next.
//!
//! The exit code is 0 only if the exercise is solved.

pub mod outcome;
pub mod report;

use std::io::{self, Write};
use std::process::ExitCode;

use super::ExerciseArgument;
use crate::app::{App, exit_code};
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use crate::terminal::progress_bar::progress_bar;
use crate::terminal::text;
use outcome::CheckOutcome;
use report::CheckReport;

/// Checks one exercise.
pub fn run(argument: &ExerciseArgument) -> anyhow::Result<ExitCode> {
    let app = App::detect();
    let is_solved = check(&app, argument, &mut io::stdout(), &mut io::stderr())?;
    Ok(exit_code(is_solved))
}

fn check(
    app: &App,
    argument: &ExerciseArgument,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let list = ExerciseList::load(&app.repository)?;
    let progress = Progress::load(&app.repository)?;
    let exercise = list.select(argument.exercise.as_deref(), &app.current_dir, &progress)?;
    let check = Check {
        app,
        list: &list,
        exercise,
        is_typed: true,
    };
    Ok(check.run(&mut || false, output, messages)? == Some(true))
}

/// One check of one exercise.
pub(super) struct Check<'a> {
    pub(super) app: &'a App,
    pub(super) list: &'a ExerciseList,
    pub(super) exercise: &'a Exercise,
    /// Whether the learner typed a command. False if `watch` noticed a saved file.
    pub(super) is_typed: bool,
}

impl Check<'_> {
    /// Returns whether the exercise is solved, or `None` if the check was cancelled.
    pub(super) fn run(
        &self,
        is_cancelled: &mut dyn FnMut() -> bool,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<Option<bool>> {
        let outcome = outcome::build_and_test(self.app, self.exercise, is_cancelled, messages)?;
        if outcome.is_cancelled() {
            return Ok(None);
        }
        if let CheckOutcome::CompileError(diagnostics) = &outcome {
            for diagnostic in diagnostics {
                messages.write_all(diagnostic.rendered().as_bytes())?;
            }
            messages.flush()?;
        }
        let is_solved = outcome.is_solved();
        let progress = Progress::update(&self.app.repository, &self.exercise.id, |exercise| {
            exercise.state = match exercise.state {
                _ if is_solved => State::Solved,
                State::NotStarted => State::Started,
                // A solved exercise stays solved, so that learners can experiment.
                state => state,
            };
        })?;
        let report = CheckReport {
            app: self.app,
            exercise: self.exercise,
            id_argument: self.id_argument(&progress),
            hints: progress.of(&self.exercise.id).hints,
            is_typed: self.is_typed,
        };
        report.print(&outcome, output)?;
        if is_solved {
            self.print_next_exercise(&progress, output)?;
        }
        output.flush()?;
        Ok(Some(is_solved))
    }

    /// What a command needs after its name to select this exercise.
    fn id_argument(&self, progress: &Progress) -> String {
        match self.list.select(None, &self.app.current_dir, progress) {
            Ok(current) if current.id == self.exercise.id => String::new(),
            _ => format!(" {}", self.exercise.id),
        }
    }

    fn print_next_exercise(
        &self,
        progress: &Progress,
        output: &mut impl Write,
    ) -> anyhow::Result<()> {
        let (solved, total) = (self.list.solved_count(progress), self.list.exercises.len());
        let path = |path: &_| self.app.repository.display_path(path);
        writeln!(
            output,
            "\n{}  {solved} of {total} exercises solved\n",
            progress_bar(self.app.styles(), solved, total)
        )?;
        writeln!(
            output,
            "Compare  `cargo workshop diff {}` compares your code with our solution",
            self.exercise.id
        )?;
        match self.list.first_open(progress) {
            None if solved == total => writeln!(
                output,
                "Next     you have solved all exercises. `cargo run -p ch05-full` runs the \
                 complete system"
            )?,
            None => writeln!(
                output,
                "Next     only skipped exercises are left: `cargo workshop list` shows them"
            )?,
            Some(next) => {
                let minutes = text::minutes(next.minutes);
                let page = path(&next.page_file());
                writeln!(output, "Next     {} ({minutes}): read {page}", next.title)?;
                writeln!(output, "         and open {}", path(&next.source_file()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::fixture::{SOLVED, SampleWorkspace};

    fn run_check(workspace: &SampleWorkspace) -> (bool, String, String) {
        let (mut output, mut messages) = (Vec::new(), Vec::new());
        let argument = ExerciseArgument {
            exercise: Some("counter".to_owned()),
        };
        let is_solved = check(&workspace.app(), &argument, &mut output, &mut messages).unwrap();
        // Another cargo may be running on this machine. Then ours reports that it waits.
        let is_about_exercise = |line: &&str| !line.contains("Blocking waiting for file lock");
        let messages = String::from_utf8(messages).unwrap();
        let messages = messages
            .split_inclusive('\n')
            .filter(is_about_exercise)
            .collect();
        (is_solved, String::from_utf8(output).unwrap(), messages)
    }

    fn first_lines(text: &str, count: usize) -> Vec<&str> {
        text.lines()
            .filter(|line| !line.is_empty())
            .take(count)
            .collect()
    }

    #[test]
    fn exercise_goes_from_todo_to_solved() {
        let workspace = SampleWorkspace::new();

        let (is_solved, output, messages) = run_check(&workspace);
        assert!(!is_solved);
        assert_eq!(messages, "", "nothing is printed before the assertion");
        assert_eq!(
            first_lines(&output, 4),
            [
                "✗ next number is one more",
                "  exercises/01_chapter/01_counter/src/lib.rs:8",
                "  not yet implemented: return the next number",
                "This failure is expected: the code compiles, the tests run, and your work starts at this `todo!`."
            ],
            "expected the first test in the file: {output}"
        );
        assert!(output.contains("0 of 2 tests pass"), "{output}");
        assert_eq!(workspace.text(".workshop/progress"), "counter started\n");

        workspace.edit(&SOLVED.replace("last + 1", "last + 2"));
        let (is_solved, output, _) = run_check(&workspace);
        assert!(!is_solved);
        assert_eq!(
            first_lines(&output, 5),
            [
                "✗ next number is one more",
                "  exercises/01_chapter/01_counter/tests/counter.rs:5",
                "  assertion `left == right` failed: 2 follows 1: do you add one?",
                "    left: 3",
                "   right: 2",
            ]
        );
        assert!(output.contains("1 of 2 tests pass"), "{output}");
        assert!(
            !output.contains("is expected"),
            "a wrong answer is no expected failure: {output}"
        );

        workspace.edit(&SOLVED.replace("last + 1", "last +"));
        let (is_solved, output, messages) = run_check(&workspace);
        assert!(!is_solved);
        assert!(
            messages.starts_with("error: expected expression"),
            "{messages}"
        );
        assert!(
            messages.contains("--> exercises/01_chapter/01_counter/src/lib.rs:"),
            "{messages}"
        );
        assert_eq!(output.lines().count(), 1, "expected one sentence: {output}");

        workspace.edit(SOLVED);
        let (is_solved, output, _) = run_check(&workspace);
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
        assert_eq!(workspace.text(".workshop/progress"), "counter solved\n");

        workspace.edit(&SOLVED.replace("last + 1", "last + 2"));
        let (is_solved, output, _) = run_check(&workspace);
        assert!(!is_solved, "the exit code is about this check");
        assert!(
            output.contains("`cargo workshop check counter` again"),
            "the exercise is not the current one: {output}"
        );
        assert_eq!(
            workspace.text(".workshop/progress"),
            "counter solved\n",
            "a solved exercise stays solved"
        );
    }

    #[test]
    fn hanging_test_is_stopped_and_named() {
        let workspace = SampleWorkspace::new();
        workspace.edit(&SOLVED.replace(
            "last + 1",
            "if last == 1 { loop { std::thread::park() } } last + 1",
        ));
        workspace.set_description("limit_seconds = 1");

        let (is_solved, output, _) = run_check(&workspace);

        assert!(!is_solved);
        assert!(
            output.starts_with("✗ next number is one more\n"),
            "{output}"
        );
        assert!(
            output.contains("This test did not end within 1 s and was stopped."),
            "{output}"
        );
        assert!(
            output.contains("Before that, 1 passed and 0 failed"),
            "{output}"
        );
    }

    #[test]
    fn call_of_exit_is_no_success() {
        let workspace = SampleWorkspace::new();
        workspace.edit(&SOLVED.replace("last + 1", "std::process::exit(0)"));

        let (is_solved, output, _) = run_check(&workspace);

        assert!(!is_solved);
        assert!(
            output.contains("the tests ended without a result"),
            "{output}"
        );
    }

    #[test]
    fn ignored_tests_prove_nothing() {
        let workspace = SampleWorkspace::new();
        workspace.edit(SOLVED);
        let tests = workspace.text("exercises/01_chapter/01_counter/tests/counter.rs");
        workspace.write(
            "exercises/01_chapter/01_counter/tests/counter.rs",
            &tests.replace("#[test]", "#[test]\n#[ignore]"),
        );

        let (is_solved, output, _) = run_check(&workspace);

        assert!(!is_solved);
        assert!(
            output.contains("some tests are ignored, so this proves nothing"),
            "{output}"
        );
    }

    #[test]
    fn output_and_warnings_come_after_the_result() {
        let workspace = SampleWorkspace::new();
        let printing = SOLVED.replace("last + 1", "println!(\"last is {last}\"); last + 2");
        workspace.edit(&printing);
        let (_, output, _) = run_check(&workspace);
        let (assertion, printed) = (
            output.find("assertion").unwrap(),
            output.find("last is 1").unwrap(),
        );
        assert!(assertion < printed, "{output}");

        workspace.edit(&SOLVED.replace("last + 1", "let unused = 1; last + 1"));
        let (is_solved, output, messages) = run_check(&workspace);
        assert!(is_solved);
        assert!(
            output.contains("warning: unused variable: `unused`"),
            "{output} {messages}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn missing_docker_is_reported_before_the_build() {
        let workspace = SampleWorkspace::new();
        workspace.set_description("services = [\"redis\"]");
        let fake = crate::run::machine::fake::FakeMachine::new();
        let app = App {
            machine: fake.machine(),
            ..workspace.app()
        };

        let error = check(
            &app,
            &ExerciseArgument::default(),
            &mut Vec::new(),
            &mut Vec::new(),
        )
        .unwrap_err();

        assert!(
            error
                .to_string()
                .starts_with("Docker is not installed here"),
            "{error}"
        );
        assert!(fake.calls().is_empty());
    }
}
