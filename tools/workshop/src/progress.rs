//! How far a learner is: [`Progress`], kept in `.workshop/progress`, a line for each exercise that was begun.
//!
//! A line is `round_robin solved`, `shared_session skipped` or `cache_aside started hints=2`: the id, the state, and what else there is to
//! remember. It is a person's to read and to edit, so whatever is not understood is kept as it is. Left out: when anything happened.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;

use crate::repository::Repository;

/// How it stands with one exercise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing was tried.
    #[default]
    Fresh,
    /// It was checked, or a hint was asked for.
    Started,
    /// All its tests have passed.
    Solved,
    /// The learner wants to go on without it.
    Skipped,
}

/// What is known about one exercise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its state.
    pub state: State,
    /// The highest hint that was shown; 0 if none.
    pub hints: usize,
}

/// All that is known.
#[derive(Clone, Debug)]
pub struct Progress {
    repository: Repository,
    lines: Vec<String>,
}

impl Progress {
    /// Reads what is there. Where nothing is there yet, nothing has been done.
    pub fn load(repository: &Repository) -> anyhow::Result<Progress> {
        let file = file(repository);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "your progress in {} cannot be read. It is a text file: mend it, or move it away to begin anew",
                        repository.name(&file)
                    )
                });
            }
        };
        Ok(Progress {
            repository: repository.clone(),
            lines: text.lines().map(str::to_owned).collect(),
        })
    }

    /// Changes what is known about one exercise, and keeps it.
    pub fn change(
        repository: &Repository,
        id: &str,
        change: impl FnOnce(&mut Entry),
    ) -> anyhow::Result<Progress> {
        // Read again right now: a second terminal may have written since this command began.
        let mut progress = Self::load(repository)?;
        let before = progress.entry(id);
        let mut entry = before;
        change(&mut entry);
        if entry != before {
            progress.set(id, entry);
            progress.save()?;
        }
        Ok(progress)
    }

    /// What is known about this exercise.
    pub fn entry(&self, id: &str) -> Entry {
        let mut known = self.lines.iter().filter_map(|line| parse(line));
        known
            .find(|(name, _)| *name == id)
            .map_or_else(Entry::default, |(_, entry)| entry)
    }

    /// Whether nothing was done yet, at all.
    pub fn is_empty(&self) -> bool {
        !self.lines.iter().any(|line| parse(line).is_some())
    }

    fn set(&mut self, id: &str, entry: Entry) {
        let position = self
            .lines
            .iter()
            .position(|line| parse(line).is_some_and(|(name, _)| name == id));
        let others = position
            .map(|position| other_words(&self.lines[position]))
            .unwrap_or_default();
        let line = text(id, entry).map(|line| line + &others);
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
        let mut text = self.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        self.repository.write(&file(&self.repository), &text)
    }
}

fn file(repository: &Repository) -> PathBuf {
    repository.private().join("progress")
}

fn text(id: &str, entry: Entry) -> Option<String> {
    let state = match entry.state {
        State::Fresh => return None,
        State::Started => "started",
        State::Solved => "solved",
        State::Skipped => "skipped",
    };
    Some(match entry.hints {
        0 => format!("{id} {state}"),
        hints => format!("{id} {state} hints={hints}"),
    })
}

fn parse(line: &str) -> Option<(&str, Entry)> {
    let mut words = line.split_whitespace();
    let id = words.next()?;
    let state = match words.next()? {
        "started" => State::Started,
        "solved" => State::Solved,
        "skipped" => State::Skipped,
        _ => return None,
    };
    let hints = words
        .find_map(|word| word.strip_prefix("hints=")?.parse().ok())
        .unwrap_or(0);
    Some((id, Entry { state, hints }))
}

fn other_words(line: &str) -> String {
    let others = line
        .split_whitespace()
        .skip(2)
        .filter(|word| !word.starts_with("hints="));
    others.flat_map(|word| [" ", word]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn what_was_done_is_there_the_next_time() {
        let folder = Folder::new();
        let repository = folder.repository();
        assert!(Progress::load(&repository).unwrap().is_empty());

        Progress::change(&repository, "round_robin", |entry| {
            entry.state = State::Solved
        })
        .unwrap();
        Progress::change(&repository, "cache_aside", |entry| {
            *entry = Entry {
                state: State::Started,
                hints: 2,
            };
        })
        .unwrap();

        let progress = Progress::load(&repository).unwrap();
        assert_eq!(progress.entry("round_robin").state, State::Solved);
        assert_eq!(progress.entry("cache_aside").hints, 2);
        assert_eq!(progress.entry("another"), Entry::default());
        assert_eq!(
            folder.text(".workshop/progress"),
            "round_robin solved\ncache_aside started hints=2\n"
        );
    }

    #[test]
    fn what_is_not_understood_is_kept_where_it_is() {
        let folder = Folder::new();
        let text =
            "# mine\n\nold_one solved\nround_robin started hints=1 note=x\nround_robin dreamt\n";
        folder.write(".workshop/progress", text);

        Progress::change(&folder.repository(), "round_robin", |entry| {
            entry.state = State::Solved
        })
        .unwrap();

        assert_eq!(
            folder.text(".workshop/progress"),
            text.replace("round_robin started", "round_robin solved")
        );
    }

    #[test]
    fn what_is_forgotten_leaves_no_line() {
        let folder = Folder::new();
        folder.write(".workshop/progress", "a solved\nb solved\n");

        Progress::change(&folder.repository(), "a", |entry| *entry = Entry::default()).unwrap();

        assert_eq!(folder.text(".workshop/progress"), "b solved\n");
    }

    #[test]
    fn progress_that_cannot_be_read_is_not_taken_for_none() {
        let folder = Folder::new();
        folder.write(".workshop/progress/a_folder", "");

        let error = Progress::load(&folder.repository())
            .unwrap_err()
            .to_string();

        assert!(
            error.contains(".workshop/progress cannot be read"),
            "{error}"
        );
    }

    #[test]
    fn progress_that_cannot_be_kept_is_an_error() {
        let folder = Folder::new();
        folder.write(".workshop", "a file where a folder has to be");

        let change = Progress::change(&folder.repository(), "a", |entry| {
            entry.state = State::Solved
        });

        assert!(change.is_err(), "it must not be lost in silence");
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let folder = Folder::new();
        Progress::change(&folder.repository(), "a", |entry| {
            entry.state = State::Skipped
        })
        .unwrap();

        let files = fs::read_dir(folder.repository().private()).unwrap().count();

        assert_eq!(files, 1);
    }
}
