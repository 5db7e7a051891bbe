//! `cargo workshop watch`: checks an exercise after every save.
//!
//! Commands are lines on the standard input, so the terminal stays in its normal mode.

pub mod file_snapshot;
pub mod input_lines;

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use super::check::Check;
use super::{CommandStyle, diff, hint, list, skip};
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
    name: Option<&str>,
    output: &mut impl Write,
    messages: &mut impl Write,
) -> anyhow::Result<()> {
    let mut watch = Watch {
        app,
        input: InputLines::from_stdin(),
        poll_interval: POLL_INTERVAL,
        output,
        messages,
    };
    watch.run(name)
}

struct Watch<'a, O, M> {
    app: &'a App,
    input: InputLines,
    poll_interval: Duration,
    output: &'a mut O,
    messages: &'a mut M,
}

enum Event {
    FileSaved,
    LineTyped(String),
}

impl<O: Write, M: Write> Watch<'_, O, M> {
    fn run(&mut self, name: Option<&str>) -> anyhow::Result<()> {
        let (list, progress) = self.app.load()?;
        let mut exercise = list.select(name, &self.app.current_dir, &progress)?;
        let mut needs_check = true;
        // Before the check, to notice a save while the check runs.
        let mut snapshot = FileSnapshot::take(exercise);
        loop {
            if needs_check {
                snapshot = FileSnapshot::take(exercise);
                if !self.check(&list, exercise, &snapshot)? {
                    continue;
                }
            }
            self.print_prompt(exercise)?;
            needs_check = false;
            match self.wait(exercise, &mut snapshot) {
                Event::FileSaved => {
                    self.print_divider("saved")?;
                    needs_check = true;
                }
                Event::LineTyped(line) => match line.trim() {
                    "" | "c" | "check" => needs_check = true,
                    "q" | "quit" => return Ok(()),
                    "n" | "next" => {
                        if let Some(next) = self.next_exercise(&list, exercise)? {
                            exercise = next;
                            needs_check = true;
                        }
                    }
                    command => self.run_command(command, exercise)?,
                },
            }
        }
    }

    /// Runs a check. Returns false if another save made it outdated.
    fn check(
        &mut self,
        list: &ExerciseList,
        exercise: &Exercise,
        snapshot: &FileSnapshot,
    ) -> anyhow::Result<bool> {
        let input = &mut self.input;
        let mut last_poll = Instant::now();
        let mut is_cancelled = || {
            if last_poll.elapsed() < self.poll_interval {
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
        match check.run(&mut is_cancelled, self.output, self.messages) {
            Ok(is_solved) => Ok(is_solved.is_some() || self.input.wants_to_quit()),
            Err(error) if is_broken_pipe(&error) => Err(error),
            // The learner can solve other problems while this waits, such as a stopped Docker.
            Err(error) => {
                writeln!(self.messages, "{error:#}")?;
                Ok(true)
            }
        }
    }

    /// Runs a command that the learner typed. An error is printed and does not end the watch.
    fn run_command(&mut self, command: &str, exercise: &Exercise) -> io::Result<()> {
        let (app, output) = (self.app, &mut *self.output);
        writeln!(output)?;
        let result = match command {
            "h" | "hint" => hint::show(app, exercise, None, CommandStyle::Watch, output),
            "s" | "skip" => skip::skip_one(app, exercise, output),
            "l" | "list" => list::list(app, output),
            "d" | "diff" => diff::diff(app, Some(&exercise.id), false, output).map(drop),
            unknown => return writeln!(output, "`{unknown}` is not one of the commands."),
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => writeln!(output, "{error:#}"),
        }
    }

    /// The next open exercise, if this one is solved or skipped.
    fn next_exercise<'a>(
        &mut self,
        list: &'a ExerciseList,
        exercise: &Exercise,
    ) -> anyhow::Result<Option<&'a Exercise>> {
        let progress = Progress::load(&self.app.repository)?;
        let next = list.first_open(&progress);
        let reason = match (next, progress.of(&exercise.id).state) {
            (None, _) => "There is no next exercise: all are solved or skipped.",
            (Some(next), State::Solved | State::Skipped) => {
                self.print_divider(&next.title)?;
                return Ok(Some(next));
            }
            _ => "It is not solved yet. To continue without it, type s, and then n.",
        };
        writeln!(self.output, "{reason}")?;
        Ok(None)
    }

    fn print_divider(&mut self, text: &str) -> io::Result<()> {
        let divider = self.app.styles().dim(&format!("── {text} ──"));
        writeln!(self.output, "{divider}\n")
    }

    fn print_prompt(&mut self, exercise: &Exercise) -> io::Result<()> {
        let file = self.app.display_path(&exercise.source_file());
        let commands = if self.input.is_open() {
            ". Type a letter and Enter: h hint, d diff, s skip, n next, l list, q quit. \
             Enter alone checks again"
        } else {
            ""
        };
        let prompt = format!("Watching {file}{commands}");
        writeln!(self.output, "\n{}", self.app.styles().dim(&prompt))?;
        self.output.flush()
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
