//! `cargo workshop watch`: checks an exercise whenever one of its files is saved.
//!
//! It looks at the files' times of change several times a second, for that works on every file system, also on those that tell nobody of a
//! change (mounted drives, WSL 2). Commands are lines on the standard input, so the terminal stays as it is. Left out: single keys, which
//! would need more of a terminal than that.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::check::{Options, Round};
use super::{diff, hint, list};
use crate::catalogue::Catalogue;
use crate::desk::Desk;
use crate::exercise::Exercise;
use crate::lines::Lines;
use crate::progress::{Progress, State};
use crate::snapshot::Snapshot;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_millis(200);

/// Watches one exercise, and then the next, until the learner wants no more.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        // At its end, or when nobody listens any more, this thread just ends; the files are watched on.
        for text in io::stdin().lock().lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                return;
            }
        }
    });
    let desk = Desk::here();
    let mut watch = Watch {
        desk: &desk,
        lines: Lines::new(lines),
        pause: PAUSE,
    };
    watch.run(options, &mut io::stdout(), &mut io::stderr())?;
    Ok(ExitCode::SUCCESS)
}

struct Watch<'a> {
    desk: &'a Desk,
    lines: Lines,
    pause: Duration,
}

/// What makes us do something.
enum Event {
    Saved,
    Line(String),
}

impl Watch<'_> {
    fn run(
        &mut self,
        options: &Options,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<()> {
        let catalogue = Catalogue::load(&self.desk.repository)?;
        let progress = Progress::load(&self.desk.repository)?;
        let mut exercise =
            catalogue.choose(options.exercise.as_deref(), &self.desk.stands_in, &progress)?;
        let mut has_to_check = true;
        // Before the check, so that what is saved while it runs is seen after it.
        let mut seen = Snapshot::of(exercise);
        loop {
            if has_to_check {
                seen = Snapshot::of(exercise);
                if !self.check(&catalogue, exercise, &seen, output, messages)? {
                    continue;
                }
                self.prompt(exercise, output)?;
            }
            has_to_check = false;
            match self.wait(exercise, &mut seen) {
                Event::Saved => {
                    writeln!(output, "{}\n", self.desk.paint().dim("── saved ──"))?;
                    has_to_check = true;
                }
                Event::Line(line) => match line.trim() {
                    "" | "c" | "check" => has_to_check = true,
                    "q" | "quit" => return Ok(()),
                    "h" | "hint" => self.say(output, |desk, output| {
                        hint::show(desk, exercise, None, output)
                    })?,
                    "l" | "list" => self.say(output, |desk, output| list::list(desk, output))?,
                    "d" | "diff" => self.say(output, |desk, output| {
                        let progress = Progress::load(&desk.repository)?;
                        diff::show(desk, exercise, &progress, false, output).map(drop)
                    })?,
                    "n" | "next" => {
                        let progress = Progress::load(&self.desk.repository)?;
                        let next = catalogue.current(&progress);
                        match next.filter(|_| is_done(exercise, &progress)) {
                            Some(next) => {
                                exercise = next;
                                let heading = format!("── {} ──", next.title);
                                writeln!(output, "{}\n", self.desk.paint().dim(&heading))?;
                                has_to_check = true;
                            }
                            None if next.is_none() => {
                                writeln!(
                                    output,
                                    "There is no next one: every exercise is solved or skipped."
                                )?;
                            }
                            None => writeln!(
                                output,
                                "{} is not solved yet. `cargo workshop skip {}` in another terminal, then n, goes on without it.",
                                exercise.title, exercise.id
                            )?,
                        }
                    }
                    other => writeln!(output, "`{other}` is none of them.")?,
                },
            }
            if !has_to_check {
                self.prompt(exercise, output)?;
            }
        }
    }

    /// Whether it came to its end. A check that is overtaken by the next save is ended, and so is one that somebody quits.
    fn check(
        &mut self,
        catalogue: &Catalogue,
        exercise: &Exercise,
        seen: &Snapshot,
        output: &mut impl Write,
        messages: &mut impl Write,
    ) -> anyhow::Result<bool> {
        let lines = &mut self.lines;
        let pause = self.pause;
        let mut looked = Instant::now();
        let mut stop = || {
            if looked.elapsed() < pause {
                return false;
            }
            looked = Instant::now();
            lines.wants_to_quit() || Snapshot::of(exercise) != *seen
        };
        let mut round = Round {
            desk: self.desk,
            catalogue,
            exercise,
            is_typed: false,
        };
        let checked = match round.check(&mut stop, output, messages) {
            Ok(checked) => checked,
            // Nobody reads any more. Everything else, such as a Docker that was stopped, can be mended while we wait.
            Err(error)
                if error
                    .downcast_ref::<io::Error>()
                    .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) =>
            {
                return Err(error);
            }
            Err(error) => {
                writeln!(messages, "{error:#}")?;
                return Ok(true);
            }
        };
        Ok(checked.is_some() || self.lines.wants_to_quit())
    }

    /// Does what was asked for; if that fails, says so and goes on watching.
    fn say<W: Write>(
        &self,
        output: &mut W,
        what: impl FnOnce(&Desk, &mut W) -> anyhow::Result<()>,
    ) -> io::Result<()> {
        writeln!(output)?;
        match what(self.desk, output) {
            Ok(()) => Ok(()),
            Err(error) => writeln!(output, "{error:#}"),
        }
    }

    fn prompt(&self, exercise: &Exercise, output: &mut impl Write) -> io::Result<()> {
        let file = self.desk.repository.name(&exercise.source());
        let keys = if self.lines.is_open() {
            ". Type a letter and Enter: h hint, d diff, n next, l list, q quit; Enter alone checks again"
        } else {
            ""
        };
        writeln!(
            output,
            "\n{}",
            self.desk.paint().dim(&format!("Watching {file}{keys}"))
        )?;
        output.flush()
    }

    /// Waits for a file that changes or a line that is typed.
    fn wait(&mut self, exercise: &Exercise, seen: &mut Snapshot) -> Event {
        loop {
            if let Some(line) = self.lines.next(self.pause) {
                return Event::Line(line);
            }
            let now = Snapshot::of(exercise);
            if now != *seen {
                *seen = now;
                self.settle(exercise, seen);
                return Event::Saved;
            }
        }
    }

    /// Editors write a file in several steps, and formatters once more: waits until it stays as it is for a moment.
    fn settle(&self, exercise: &Exercise, seen: &mut Snapshot) {
        for _ in 0..10 {
            thread::sleep(self.pause / 4);
            let now = Snapshot::of(exercise);
            if now == *seen {
                return;
            }
            *seen = now;
        }
    }
}

fn is_done(exercise: &Exercise, progress: &Progress) -> bool {
    matches!(
        progress.entry(&exercise.id).state,
        State::Solved | State::Skipped
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::Sender;

    use super::*;
    use crate::fixture::{Fixture, SOLVED};

    /// A learner who acts upon what they read: at each text that they wait for, they do something.
    struct Learner<F: FnMut(usize, &Sender<String>)> {
        typed: Sender<String>,
        read: String,
        waits_for: Vec<&'static str>,
        acts: F,
        step: usize,
    }

    impl<F: FnMut(usize, &Sender<String>)> Write for Learner<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.read.push_str(&String::from_utf8_lossy(bytes));
            while let Some(text) = self.waits_for.get(self.step) {
                let Some(position) = self.read.find(text) else {
                    break;
                };
                self.read.drain(..position + text.len());
                (self.acts)(self.step, &self.typed);
                self.step += 1;
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn watch(
        fixture: &Fixture,
        waits_for: Vec<&'static str>,
        acts: impl FnMut(usize, &Sender<String>),
    ) -> usize {
        let (typed, receiver) = mpsc::channel();
        let desk = fixture.desk();
        let mut watch = Watch {
            desk: &desk,
            lines: Lines::new(receiver),
            pause: Duration::from_millis(10),
        };
        let mut learner = Learner {
            typed,
            read: String::new(),
            waits_for,
            acts,
            step: 0,
        };
        watch
            .run(&Options::default(), &mut learner, &mut Vec::new())
            .unwrap();
        learner.step
    }

    #[test]
    fn a_save_is_checked_and_every_key_answered() {
        let fixture = Fixture::new();
        let steps = vec![
            "Watching",
            "is not solved yet",
            "hint 1 of 3",
            "is not solved yet",
            "`x` is none of them",
            "Count up is solved",
            "+    // One more",
            "1 of 2 exercises solved",
        ];
        let count = steps.len();

        let done = watch(&fixture, steps, |step, typed| {
            let line = match step {
                0 => "n",
                1 => "h",
                2 | 5 => "d",
                3 => "x",
                4 => {
                    fixture.edit(&SOLVED.replace("// One more, and none is left out.", "// Mine."));
                    return;
                }
                6 => "l",
                _ => "q",
            };
            typed.send(line.to_owned()).unwrap();
        });

        assert_eq!(done, count, "not every answer came");
        assert_eq!(
            fixture.text(".workshop/progress"),
            "counter solved hints=1\n"
        );
    }

    #[test]
    fn a_save_ends_the_check_that_it_overtakes() {
        let fixture = Fixture::new();
        fixture.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
        fixture.describe("limit_seconds = 600");
        let source = fixture
            .repository()
            .root()
            .join("exercises/01_chapter/01_counter/src/lib.rs");
        // Somebody who sees that nothing comes, and has an idea.
        let target = fixture.repository().root().join("target");
        let idea = thread::spawn(move || {
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

        let done = watch(&fixture, vec!["Count up is solved"], |_, typed| {
            typed.send("q".to_owned()).unwrap();
        });

        assert_eq!(done, 1);
        idea.join().unwrap();
    }

    #[test]
    fn quitting_ends_a_check_that_hangs() {
        let fixture = Fixture::new();
        fixture.edit(&SOLVED.replace("last + 1", "loop { std::thread::park() }"));
        fixture.describe("limit_seconds = 600");
        let (typed, receiver) = mpsc::channel();
        typed.send("q".to_owned()).unwrap();
        let desk = fixture.desk();
        let mut watch = Watch {
            desk: &desk,
            lines: Lines::new(receiver),
            pause: Duration::from_millis(10),
        };

        watch
            .run(&Options::default(), &mut Vec::new(), &mut Vec::new())
            .unwrap();
    }
}
