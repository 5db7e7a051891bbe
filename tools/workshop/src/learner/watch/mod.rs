//! `cargo workshop watch`: checks an exercise after every save.
//!
//! Commands are lines on the standard input, so the terminal stays in its normal mode.

pub mod file_snapshot;
pub mod input_lines;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::check::Check;
use super::{CommandStyle, ExerciseArgument, diff, hint, list, skip};
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use file_snapshot::FileSnapshot;
use input_lines::InputLines;

/// How often the files are compared.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Watches one exercise, and then the next, until the learner quits.
pub fn watch(
    app: &App,
    argument: &ExerciseArgument,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<()> {
    let mut watch = Watch {
        app,
        input: InputLines::from_stdin(),
        poll_interval: POLL_INTERVAL,
    };
    watch.run(argument, output, messages)
}

struct Watch<'a> {
    app: &'a App,
    input: InputLines,
    poll_interval: Duration,
}

enum Event {
    FileSaved,
    LineTyped(String),
}

impl Watch<'_> {
    fn run(
        &mut self,
        argument: &ExerciseArgument,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<()> {
        let (list, progress) = self.app.load()?;
        let mut exercise = list.select(argument.name(), &self.app.current_dir, &progress)?;
        let mut needs_check = true;
        // Before the check, to notice a save while the check runs.
        let mut snapshot = FileSnapshot::take(exercise);
        loop {
            if needs_check {
                snapshot = FileSnapshot::take(exercise);
                if !self.check(&list, exercise, &snapshot, output, messages)? {
                    continue;
                }
                self.print_prompt(exercise, output)?;
            }
            needs_check = false;
            match self.wait(exercise, &mut snapshot) {
                Event::FileSaved => {
                    self.print_divider("saved", output)?;
                    needs_check = true;
                }
                Event::LineTyped(line) => match line.trim() {
                    "" | "c" | "check" => needs_check = true,
                    "q" | "quit" => return Ok(()),
                    "n" | "next" => {
                        if let Some(next) = self.next_exercise(&list, exercise, output)? {
                            exercise = next;
                            needs_check = true;
                        }
                    }
                    command => self.run_command(command, exercise, output)?,
                },
            }
            if !needs_check {
                self.print_prompt(exercise, output)?;
            }
        }
    }

    /// Runs a check. Returns false if another save made it outdated.
    fn check(
        &mut self,
        list: &ExerciseList,
        exercise: &Exercise,
        snapshot: &FileSnapshot,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<bool> {
        let input = &mut self.input;
        let poll_interval = self.poll_interval;
        let mut last_poll = Instant::now();
        let mut is_cancelled = || {
            if last_poll.elapsed() < poll_interval {
                return false;
            }
            last_poll = Instant::now();
            input.wants_to_quit() || FileSnapshot::take(exercise) != *snapshot
        };
        let check = Check {
            app: self.app,
            list,
            exercise,
            style: CommandStyle::Watch,
        };
        match check.run(&mut is_cancelled, output, messages) {
            Ok(is_solved) => Ok(is_solved.is_some() || self.input.wants_to_quit()),
            Err(error) if is_broken_pipe(&error) => Err(error),
            // The learner can solve other problems while this waits, such as a stopped Docker.
            Err(error) => {
                writeln!(messages, "{error:#}")?;
                Ok(true)
            }
        }
    }

    /// Runs a command that the learner typed. An error is printed and does not end the watch.
    fn run_command(
        &self,
        command: &str,
        exercise: &Exercise,
        output: &mut impl Write,
    ) -> io::Result<()> {
        let app = self.app;
        writeln!(output)?;
        let result = match command {
            "h" | "hint" => hint::show(app, exercise, None, CommandStyle::Watch, output),
            "s" | "skip" => skip::skip_one(app, exercise, output),
            "l" | "list" => list::list(app, output),
            "d" | "diff" => Progress::load(&app.repository)
                .and_then(|progress| diff::show(app, exercise, &progress, false, output).map(drop)),
            unknown => return writeln!(output, "`{unknown}` is not one of the commands."),
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => writeln!(output, "{error:#}"),
        }
    }

    /// The next open exercise, if this one is solved or skipped.
    fn next_exercise<'a>(
        &self,
        list: &'a ExerciseList,
        exercise: &Exercise,
        output: &mut impl Write,
    ) -> anyhow::Result<Option<&'a Exercise>> {
        let progress = Progress::load(&self.app.repository)?;
        let state = progress.of(&exercise.id).state;
        let is_done = matches!(state, State::Solved | State::Skipped);
        match list.first_open(&progress) {
            None => {
                writeln!(
                    output,
                    "There is no next exercise: all are solved or skipped."
                )?;
                Ok(None)
            }
            Some(_) if !is_done => {
                writeln!(
                    output,
                    "{} is not solved yet. To continue without it, type s, and then n.",
                    exercise.title
                )?;
                Ok(None)
            }
            Some(next) => {
                self.print_divider(&next.title, output)?;
                Ok(Some(next))
            }
        }
    }

    fn print_divider(&self, text: &str, output: &mut impl Write) -> io::Result<()> {
        let divider = self.app.styles().dim(&format!("── {text} ──"));
        writeln!(output, "{divider}\n")
    }

    fn print_prompt(&self, exercise: &Exercise, output: &mut impl Write) -> io::Result<()> {
        let file = self.app.display_path(&exercise.source_file());
        let commands = if self.input.is_open() {
            ". Type a letter and Enter: h hint, d diff, s skip, n next, l list, q quit. \
             Enter alone checks again"
        } else {
            ""
        };
        let prompt = format!("Watching {file}{commands}");
        writeln!(output, "\n{}", self.app.styles().dim(&prompt))?;
        output.flush()
    }

    /// Waits for a saved file or a typed line.
    fn wait(&mut self, exercise: &Exercise, snapshot: &mut FileSnapshot) -> Event {
        loop {
            if let Some(line) = self.input.next(self.poll_interval) {
                return Event::LineTyped(line);
            }
            let now = FileSnapshot::take(exercise);
            if now != *snapshot {
                *snapshot = now;
                self.wait_until_unchanged(exercise, snapshot);
                return Event::FileSaved;
            }
        }
    }

    /// Waits until the files stay the same: editors and formatters write several times.
    fn wait_until_unchanged(&self, exercise: &Exercise, snapshot: &mut FileSnapshot) {
        for _ in 0..10 {
            thread::sleep(self.poll_interval / 4);
            let now = FileSnapshot::take(exercise);
            if now == *snapshot {
                return;
            }
            *snapshot = now;
        }
    }
}

/// Whether writing failed because the reader is gone, as in `cargo workshop watch | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
