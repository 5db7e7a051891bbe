//! `cargo workshop check`: builds an exercise, runs its tests, and says what to do next.
//!
//! The exit code is 0 only if the exercise is solved.

pub mod outcome;
pub mod report;

use std::fs;
use std::io::{self, Write};

use super::{CommandStyle, welcome};
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use crate::terminal::text;
use outcome::CheckOutcome;
use report::CheckReport;

/// Checks one exercise. Returns whether it is solved.
pub fn check(
    app: &App,
    name: Option<&str>,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let (list, progress) = app.load()?;
    let check = Check {
        app,
        list: &list,
        exercise: list.select(name, &app.current_dir, &progress)?,
        style: CommandStyle::Shell,
    };
    Ok(check.run(&mut || false, output, messages)? == Some(true))
}

/// Checks all solved exercises again, and prints one line for each. Returns whether all pass.
pub fn check_solved(
    app: &App,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let (list, progress) = app.load()?;
    let (mut good, mut count) = (0, 0);
    for exercise in &list.exercises {
        if progress.of(&exercise.id).state != State::Solved {
            continue;
        }
        let id = &exercise.id;
        let reason = match outcome::build_and_test(app, exercise, &mut || false, messages) {
            Ok(outcome) if outcome.is_solved() => {
                good += 1;
                String::new()
            }
            Ok(_) => format!(": `cargo workshop check {id}` shows why"),
            Err(error) => format!(": {error:#}"),
        };
        let is_solved = reason.is_empty();
        save(app, exercise, is_solved)?;
        writeln!(output, "{} {id}{reason}", app.styles().tick(is_solved))?;
        output.flush()?;
        count += 1;
    }
    writeln!(output, "{good} of {count} solved exercises pass")?;
    Ok(good == count)
}

/// Saves the result of a check.
fn save(app: &App, exercise: &Exercise, is_solved: bool) -> anyhow::Result<Progress> {
    Progress::update(&app.repository, &exercise.id, |exercise| {
        exercise.state = match exercise.state {
            _ if is_solved => State::Solved,
            State::NotStarted => State::Started,
            // A solved exercise stays solved, so that learners can experiment.
            state => state,
        };
        exercise.is_failing = !is_solved && exercise.state == State::Solved;
    })
}

/// One check of one exercise.
pub(super) struct Check<'a> {
    pub(super) app: &'a App,
    pub(super) list: &'a ExerciseList,
    pub(super) exercise: &'a Exercise,
    /// Where the learner types the next command.
    pub(super) style: CommandStyle,
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
        let progress = save(self.app, self.exercise, is_solved)?;
        let mut report = CheckReport {
            app: self.app,
            exercise: self.exercise,
            id_argument: self.id_argument(&progress),
            hints: progress.of(&self.exercise.id).hints,
            style: self.style,
            output,
        };
        report.print(&outcome)?;
        if is_solved {
            // Only exercises with questions have this file.
            if let Ok(answer) = fs::read_to_string(self.exercise.answer_file()) {
                writeln!(output, "\nAnswers to Predict:\n{}", answer.trim_end())?;
            }
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

    fn print_next_exercise(&self, progress: &Progress, output: &mut impl Write) -> io::Result<()> {
        let solved = self.app.solved_count(self.list, progress);
        let id_argument = format!(" {}", self.exercise.id);
        let diff = self.style.command("diff", &id_argument);
        writeln!(
            output,
            "\n{solved}\n\nCompare  {diff} compares your code with our solution"
        )?;
        let Some(next) = self.list.first_open(progress) else {
            let sentence = welcome::nothing_open(self.list, progress);
            return writeln!(output, "{sentence}");
        };
        let (title, page) = (&next.title, next.page_link());
        let minutes = text::minutes(next.minutes);
        let file = self.app.display_path(&next.source_file());
        writeln!(output, "Next     {title} ({minutes}): read {page}")?;
        writeln!(output, "         and open {file}")?;
        if self.style == CommandStyle::Watch {
            writeln!(output, "         `n` continues with it")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
