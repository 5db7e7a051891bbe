//! `cargo workshop check`: builds an exercise, runs its tests, and says what to do next.
//!
//! The exit code is 0 only if the exercise is solved.

pub mod outcome;
pub mod report;

use std::fs;
use std::io::{self, Write};

use super::{CommandStyle, ExerciseArgument};
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use crate::terminal::text;
use outcome::CheckOutcome;
use report::CheckReport;

/// The arguments of `cargo workshop check`.
#[derive(Debug, Default, clap::Args)]
pub struct CheckOptions {
    #[command(flatten)]
    argument: ExerciseArgument,
    /// Checks all solved exercises again, and prints one line for each
    #[arg(long, conflicts_with = "exercise")]
    all: bool,
}

/// Checks one exercise, or all solved ones. Returns whether they are solved.
pub fn check(
    app: &App,
    options: &CheckOptions,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let (list, progress) = app.load()?;
    if options.all {
        return check_solved(app, &list, &progress, output, messages);
    }
    let exercise = list.select(options.argument.name(), &app.current_dir, &progress)?;
    let check = Check {
        app,
        list: &list,
        exercise,
        style: CommandStyle::Shell,
    };
    Ok(check.run(&mut || false, output, messages)? == Some(true))
}

fn check_solved(
    app: &App,
    list: &ExerciseList,
    progress: &Progress,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<bool> {
    let (mut good, mut bad) = (0, 0);
    for exercise in &list.exercises {
        if progress.of(&exercise.id).state != State::Solved {
            continue;
        }
        let id = &exercise.id;
        match outcome::build_and_test(app, exercise, &mut || false, messages) {
            Ok(outcome) if outcome.is_solved() => {
                good += 1;
                save(app, exercise, true)?;
                writeln!(output, "{} {id}", app.styles().tick(true))?;
            }
            result => {
                bad += 1;
                let reason = match result {
                    Ok(_) => format!("`cargo workshop check {id}` shows why"),
                    Err(error) => format!("{error:#}"),
                };
                save(app, exercise, false)?;
                writeln!(output, "{} {id}: {reason}", app.styles().tick(false))?;
            }
        }
        output.flush()?;
    }
    writeln!(output, "{good} of {} solved exercises pass", good + bad)?;
    Ok(bad == 0)
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
        let report = CheckReport {
            app: self.app,
            exercise: self.exercise,
            id_argument: self.id_argument(&progress),
            hints: progress.of(&self.exercise.id).hints,
            style: self.style,
        };
        report.print(&outcome, output)?;
        if is_solved {
            // Only exercises with questions have this file.
            if let Ok(answer) = fs::read_to_string(self.exercise.solution_dir().join("ANSWER.md")) {
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
        let diff = self
            .style
            .command("diff", &format!(" {}", self.exercise.id));
        writeln!(
            output,
            "\n{solved}\n\nCompare  {diff} compares your code with our solution"
        )?;
        let Some(next) = self.list.first_open(progress) else {
            let sentence = match self.list.solved_count(progress) {
                solved if solved == self.list.exercises.len() => {
                    "you have solved all exercises. `cargo run -p ch05-full` runs the complete system"
                }
                _ => "only skipped exercises are left: `cargo workshop list` shows them",
            };
            return writeln!(output, "Next     {sentence}");
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
