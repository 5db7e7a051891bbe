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
                let page = next.page_link();
                writeln!(output, "Next     {} ({minutes}): read {page}", next.title)?;
                writeln!(output, "         and open {}", path(&next.source_file()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
