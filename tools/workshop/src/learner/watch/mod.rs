//! `cargo workshop watch`: checks an exercise after every save.
//!
//! Commands are lines on the standard input, so the terminal stays in its normal mode.

pub mod file_snapshot;
pub mod input_lines;

use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use super::check::Check;
use super::{ExerciseArgument, diff, hint, list};
use crate::app::App;
use crate::exercises::exercise::Exercise;
use crate::exercises::exercise_list::ExerciseList;
use crate::exercises::progress::{Progress, State};
use file_snapshot::FileSnapshot;
use input_lines::InputLines;

/// How often the files are compared.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Watches one exercise, and then the next, until the learner quits.
pub fn run(argument: &ExerciseArgument) -> anyhow::Result<ExitCode> {
    let app = App::detect();
    let mut watch = Watch {
        app: &app,
        input: InputLines::from_stdin(),
        poll_interval: POLL_INTERVAL,
    };
    watch.run(argument, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::SUCCESS)
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
        let list = ExerciseList::load(&self.app.repository)?;
        let progress = Progress::load(&self.app.repository)?;
        let mut exercise = list.select(
            argument.exercise.as_deref(),
            &self.app.current_dir,
            &progress,
        )?;
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
            is_typed: false,
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
            "h" | "hint" => hint::show(app, exercise, None, output),
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
                    "{} is not solved yet. To continue without it, run `cargo workshop skip {}` in \
                     another terminal, then type n.",
                    exercise.title, exercise.id
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
        let file = self.app.repository.display_path(&exercise.source_file());
        let commands = if self.input.is_open() {
            ". Type a letter and Enter: h hint, d diff, n next, l list, q quit. \
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
mod tests {
    use std::fs;
    use std::sync::mpsc::{self, Sender};

    use super::*;
    use crate::app::fixture::{SOLVED, SampleWorkspace};

    /// A simulated learner, who act after each expected text.
    struct Learner<F: FnMut(usize, &Sender<String>)> {
        typed: Sender<String>,
        printed: String,
        expected: Vec<&'static str>,
        act: F,
        step: usize,
    }

    impl<F: FnMut(usize, &Sender<String>)> Write for Learner<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.printed.push_str(&String::from_utf8_lossy(bytes));
            while let Some(text) = self.expected.get(self.step) {
                let Some(position) = self.printed.find(text) else {
                    break;
                };
                self.printed.drain(..position + text.len());
                (self.act)(self.step, &self.typed);
                self.step += 1;
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn watch(
        workspace: &SampleWorkspace,
        expected: Vec<&'static str>,
        act: impl FnMut(usize, &Sender<String>),
    ) -> usize {
        let (typed, receiver) = mpsc::channel();
        let app = workspace.app();
        let mut watch = Watch {
            app: &app,
            input: InputLines::new(receiver),
            poll_interval: Duration::from_millis(10),
        };
        let mut learner = Learner {
            typed,
            printed: String::new(),
            expected,
            act,
            step: 0,
        };
        watch
            .run(&ExerciseArgument::default(), &mut learner, &mut Vec::new())
            .unwrap();
        learner.step
    }

    #[test]
    fn saves_and_commands_are_answered() {
        let workspace = SampleWorkspace::new();
        let steps = vec![
            "Watching",
            "is not solved yet",
            "hint 1 of 3",
            "is not solved yet",
            "`x` is not one of the commands",
            "Count up is solved",
            "+    // Adds one.",
            "1 of 2 exercises solved",
        ];
        let count = steps.len();

        let done = watch(&workspace, steps, |step, typed| {
            let line = match step {
                0 => "n",
                1 => "h",
                2 | 5 => "d",
                3 => "x",
                4 => {
                    workspace.edit(&SOLVED.replace("// Adds one.", "// Mine."));
                    return;
                }
                6 => "l",
                _ => "q",
            };
            typed.send(line.to_owned()).unwrap();
        });

        assert_eq!(done, count, "the output stopped before this step");
        assert_eq!(
            workspace.text(".workshop/progress"),
            "counter solved hints=1\n"
        );
    }

    #[test]
    fn save_cancels_a_running_check() {
        let workspace = SampleWorkspace::new();
        workspace.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
        workspace.set_description("limit_seconds = 600");
        let source = workspace
            .repository()
            .root()
            .join("exercises/01_chapter/01_counter/src/lib.rs");
        // Saves the solution as soon as the hanging test is built.
        let target = workspace.repository().root().join("target");
        let editor = thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(100);
            let is_built = || {
                let deps = fs::read_dir(target.join("debug").join("deps"))
                    .into_iter()
                    .flatten()
                    .flatten();
                deps.map(|file| file.file_name())
                    .any(|name| name.to_string_lossy().starts_with("counter-"))
            };
            while !is_built() && Instant::now() < deadline {
                thread::yield_now();
            }
            fs::write(source, SOLVED).unwrap();
        });

        let done = watch(&workspace, vec!["Count up is solved"], |_, typed| {
            typed.send("q".to_owned()).unwrap();
        });

        assert_eq!(done, 1);
        editor.join().unwrap();
    }

    #[test]
    fn quitting_cancels_a_hanging_check() {
        let workspace = SampleWorkspace::new();
        workspace.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
        workspace.set_description("limit_seconds = 600");
        let (typed, receiver) = mpsc::channel();
        typed.send("q".to_owned()).unwrap();
        let app = workspace.app();
        let mut watch = Watch {
            app: &app,
            input: InputLines::new(receiver),
            poll_interval: Duration::from_millis(10),
        };

        watch
            .run(
                &ExerciseArgument::default(),
                &mut Vec::new(),
                &mut Vec::new(),
            )
            .unwrap();
    }
}
