//! The learner's progress: [`Progress`] reads and writes `.workshop/progress`.
//!
//! Each started exercise has a line such as `round_robin solved failing` or
//! `cache_aside started hints=2`: the id, the state, the shown hints, and whether the last check of
//! a solved exercise failed. Learners may edit the file, so unknown text is kept.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use anyhow::Context;

use super::repository::{Repository, read_text};

/// The state of one exercise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The learner has not tried it.
    #[default]
    NotStarted,
    /// The learner has checked it or read a hint.
    Started,
    /// All its tests have passed once.
    Solved,
    /// The learner has skipped it.
    Skipped,
}

/// The progress in one exercise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExerciseProgress {
    /// The state.
    pub state: State,
    /// The number of the last hint that was shown; 0 if none.
    pub hints: usize,
    /// Whether it is solved, but its last check failed.
    pub is_failing: bool,
}

/// The progress in all exercises.
#[derive(Clone, Debug)]
pub struct Progress {
    repository: Repository,
    lines: Vec<String>,
}

impl Progress {
    /// Reads the file. A missing file means that no exercise is started.
    pub fn load(repository: &Repository) -> anyhow::Result<Progress> {
        let file = progress_file(repository);
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "cannot read your progress in {}. It is a text file: repair it, or move it \
                         away to start again",
                        repository.display_path(&file)
                    )
                });
            }
        };
        Ok(Progress {
            repository: repository.clone(),
            lines: text.lines().map(str::to_owned).collect(),
        })
    }

    /// Changes and saves the progress in one exercise.
    pub fn update(
        repository: &Repository,
        id: &str,
        change: impl FnOnce(&mut ExerciseProgress),
    ) -> anyhow::Result<Progress> {
        let dir = repository.learner_dir();
        let lock = || -> io::Result<File> {
            fs::create_dir_all(&dir)?;
            let lock = File::create(dir.join("lock"))?;
            lock.lock()?;
            Ok(lock)
        };
        // Until the end, because a command in a second terminal may write at the same time.
        let _lock = lock().with_context(|| {
            let dir = repository.display_path(&dir);
            format!("cannot write your progress in {dir}. Does another user own the folder?")
        })?;
        let mut progress = Self::load(repository)?;
        let before = progress.of(id);
        let mut after = before;
        change(&mut after);
        if after != before {
            progress.set(id, after);
            progress.save()?;
        }
        Ok(progress)
    }

    /// The progress in this exercise.
    pub fn of(&self, id: &str) -> ExerciseProgress {
        let mut known = self.lines.iter().filter_map(|line| parse(line));
        known
            .find(|(name, _)| *name == id)
            .map_or_else(ExerciseProgress::default, |(_, progress)| progress)
    }

    /// Whether no exercise is started.
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| parse(line).is_some())
    }

    fn set(&mut self, id: &str, progress: ExerciseProgress) {
        let position = self
            .lines
            .iter()
            .position(|line| parse(line).is_some_and(|(name, _)| name == id));
        let unknown_words = position
            .map(|position| unknown_words(&self.lines[position]))
            .unwrap_or_default();
        let line = format_line(id, progress).map(|line| line + &unknown_words);
        match (position, line) {
            (Some(position), Some(line)) => self.lines[position] = line,
            (Some(position), None) => {
                self.lines.remove(position);
            }
            (None, Some(line)) => self.lines.push(line),
            (None, None) => {}
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        let text: String = self.lines.iter().flat_map(|line| [line, "\n"]).collect();
        self.repository
            .write(&progress_file(&self.repository), &text)
    }
}

fn progress_file(repository: &Repository) -> PathBuf {
    repository.learner_dir().join("progress")
}

fn format_line(id: &str, progress: ExerciseProgress) -> Option<String> {
    let state = match progress.state {
        State::NotStarted => return None,
        State::Started => "started",
        State::Solved => "solved",
        State::Skipped => "skipped",
    };
    let hints = match progress.hints {
        0 => String::new(),
        hints => format!(" hints={hints}"),
    };
    let failing = if progress.is_failing { " failing" } else { "" };
    Some(format!("{id} {state}{hints}{failing}"))
}

fn parse(line: &str) -> Option<(&str, ExerciseProgress)> {
    let mut words = line.split_whitespace();
    let id = words.next()?;
    let state = match words.next()? {
        "started" => State::Started,
        "solved" => State::Solved,
        "skipped" => State::Skipped,
        _ => return None,
    };
    let mut progress = ExerciseProgress {
        state,
        ..ExerciseProgress::default()
    };
    for word in words {
        match word.strip_prefix("hints=") {
            Some(hints) => progress.hints = hints.parse().unwrap_or(0),
            None => progress.is_failing |= word == "failing",
        }
    }
    Some((id, progress))
}

fn unknown_words(line: &str) -> String {
    let words = line
        .split_whitespace()
        .skip(2)
        .filter(|word| !word.starts_with("hints=") && *word != "failing");
    words.flat_map(|word| [" ", word]).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::app::fixture::TempCheckout;

    #[test]
    fn saved_progress_is_loaded_again() {
        let checkout = TempCheckout::new();
        let repository = checkout.repository();
        assert!(Progress::load(&repository).unwrap().is_empty());

        Progress::update(&repository, "round_robin", |exercise| {
            exercise.state = State::Solved;
        })
        .unwrap();
        Progress::update(&repository, "cache_aside", |exercise| {
            *exercise = ExerciseProgress {
                state: State::Started,
                hints: 2,
                is_failing: true,
            };
        })
        .unwrap();

        let progress = Progress::load(&repository).unwrap();
        assert_eq!(progress.of("round_robin").state, State::Solved);
        assert_eq!(progress.of("cache_aside").hints, 2);
        assert!(progress.of("cache_aside").is_failing);
        assert_eq!(progress.of("another"), ExerciseProgress::default());
        assert_eq!(
            checkout.text(".workshop/progress"),
            "round_robin solved\ncache_aside started hints=2 failing\n"
        );
    }

    #[test]
    fn unknown_text_is_kept() {
        let checkout = TempCheckout::new();
        let text =
            "# mine\n\nold_one solved\nround_robin started hints=1 note=x\nround_robin unknown\n";
        checkout.write(".workshop/progress", text);

        Progress::update(&checkout.repository(), "round_robin", |exercise| {
            exercise.state = State::Solved;
        })
        .unwrap();

        assert_eq!(
            checkout.text(".workshop/progress"),
            text.replace("round_robin started", "round_robin solved")
        );
    }

    #[test]
    fn byte_order_mark_hides_no_line() {
        let checkout = TempCheckout::new();
        checkout.write(".workshop/progress", "\u{feff}a solved\r\nb skipped\r\n");

        let progress = Progress::update(&checkout.repository(), "b", |exercise| {
            exercise.state = State::Solved;
        });

        assert_eq!(progress.unwrap().of("a").state, State::Solved);
        assert_eq!(checkout.text(".workshop/progress"), "a solved\nb solved\n");
    }

    #[test]
    fn reset_progress_leaves_no_line() {
        let checkout = TempCheckout::new();
        checkout.write(".workshop/progress", "a solved\nb solved\n");

        Progress::update(&checkout.repository(), "a", |exercise| {
            *exercise = ExerciseProgress::default();
        })
        .unwrap();

        assert_eq!(checkout.text(".workshop/progress"), "b solved\n");
    }

    #[test]
    fn unreadable_progress_is_an_error() {
        let checkout = TempCheckout::new();
        checkout.write(".workshop/progress/a_folder", "");

        let error = Progress::load(&checkout.repository())
            .unwrap_err()
            .to_string();

        assert!(
            error.contains("cannot read your progress in .workshop/progress"),
            "{error}"
        );
    }

    #[test]
    fn unwritable_progress_is_an_error() {
        let checkout = TempCheckout::new();
        checkout.write(".workshop", "a file where a checkout has to be");

        let result = Progress::update(&checkout.repository(), "a", |exercise| {
            exercise.state = State::Solved;
        });

        assert!(result.is_err(), "the progress is lost without an error");
    }

    #[test]
    fn concurrent_updates_lose_nothing() {
        let checkout = TempCheckout::new();
        let repository = checkout.repository();
        thread::scope(|scope| {
            for thread in 0..8 {
                let repository = &repository;
                scope.spawn(move || {
                    for hints in 1..=20 {
                        // A reader never sees half of a file.
                        assert!(hints == 1 || !Progress::load(repository).unwrap().is_empty());
                        let id = format!("exercise_{thread}");
                        Progress::update(repository, &id, |exercise| {
                            exercise.state = State::Started;
                            exercise.hints += 1;
                            assert_eq!(exercise.hints, hints, "a record is lost");
                        })
                        .unwrap();
                    }
                });
            }
        });

        let text = checkout.text(".workshop/progress");
        assert_eq!(text.matches(" hints=20\n").count(), 8, "{text}");
        let names = fs::read_dir(repository.learner_dir()).unwrap();
        assert_eq!(names.count(), 2, "a temporary file is left");
    }

    // Nobody can write in `/proc`, not even root, for whom other folders are never read-only.
    #[cfg(target_os = "linux")]
    #[test]
    fn read_only_folder_is_an_error() {
        let result = Progress::update(&Repository::new("/proc"), "a", |exercise| {
            exercise.state = State::Solved;
        });
        let error = format!("{:#}", result.unwrap_err());
        assert!(
            error.starts_with("cannot write your progress in .workshop"),
            "{error}"
        );
    }
}
