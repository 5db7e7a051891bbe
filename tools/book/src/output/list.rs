//! The list of sessions, `book/sessions.toml`: [`Sessions::read`] reads and validates it.

use std::path::PathBuf;

use anyhow::{Context, bail};
use regex::Regex;
use serde::Deserialize;

use crate::repository::{Repository, read};

/// The folder of the sessions, below the book's `src`.
pub const FOLDER: &str = "sessions";

/// All sessions of the book.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// The sessions, in the order of the file.
    #[serde(default)]
    pub session: Vec<Session>,
}

/// One file in `book/src/sessions`, and the command that records it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// The file's name, such as `inspect.txt`.
    pub file: String,
    /// The command that the reader types. It runs without a shell in the repository's root. Its
    /// standard output is the session.
    pub command: String,
    /// Whether the file begins with `$ ` and the command.
    #[serde(default = "default_prompt")]
    pub prompt: bool,
    /// How the command finds its store (`ch05-full`). The recorder starts the store in an empty
    /// folder on a free port, and adds this flag to the command. The text shows port 8080.
    pub store: Option<StoreFlag>,
    /// The number of visitors that call the store, one after the other, before the command runs.
    #[serde(default)]
    pub visitors: u32,
    /// Whether the numbers differ from run to run. Then a check compares only the words.
    #[serde(default)]
    pub measured: bool,
    /// For a session that a test writes: the environment variable that makes the test write the
    /// file. Without the variable, the test compares the file.
    pub written_if: Option<String>,
    /// What the session needs besides cargo.
    pub needs: Option<Requirement>,
    /// Replacements for text that differs from run to run, such as a free port.
    #[serde(default)]
    pub replace: Vec<Replacement>,
    /// The time limit, in seconds, including cargo's build.
    #[serde(default = "default_limit_seconds")]
    pub limit_seconds: u64,
}

/// The flag that tells a command where the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreFlag {
    /// `--url http://127.0.0.1:40123`
    Url,
    /// `--data-dir FOLDER`
    DataDir,
}

/// A requirement of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// A Docker daemon.
    Docker,
}

/// A replacement for text that differs from run to run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The pattern of the text.
    #[serde(deserialize_with = "deserialize_regex")]
    pub pattern: Regex,
    /// The text that replaces it. `$1` is the first group.
    pub with: String,
}

fn default_prompt() -> bool {
    true
}

fn default_limit_seconds() -> u64 {
    600
}

fn deserialize_regex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    let pattern = String::deserialize(deserializer)?;
    Regex::new(&pattern).map_err(serde::de::Error::custom)
}

impl Session {
    /// The session's name: `inspect` for `inspect.txt`.
    pub fn name(&self) -> &str {
        self.file.strip_suffix(".txt").unwrap_or(&self.file)
    }
}

impl Sessions {
    /// The path of the list.
    pub fn path(repository: &Repository) -> PathBuf {
        repository.book.join("sessions.toml")
    }

    /// Reads the list.
    pub fn read(repository: &Repository) -> anyhow::Result<Sessions> {
        let path = Sessions::path(repository);
        let sessions: Sessions = toml::from_str(&read(&path)?)
            .with_context(|| format!("{} is not a valid list of sessions", path.display()))?;
        for session in &sessions.session {
            let file = &session.file;
            let is_plain = session.name() != file && !file.contains(['/', '\\']);
            if !is_plain {
                bail!(
                    "{}: `{file}` is not a valid file name for a session; use a name such as `inspect.txt`",
                    path.display()
                );
            }
            if sessions
                .session
                .iter()
                .filter(|other| other.file == *file)
                .count()
                > 1
            {
                bail!(
                    "{}: `{file}` is listed twice; remove one entry",
                    path.display()
                );
            }
        }
        Ok(sessions)
    }

    /// Whether the list contains this file.
    pub fn contains(&self, file: &str) -> bool {
        self.session.iter().any(|session| session.file == file)
    }

    /// The sessions with these names, or all if `names` is empty.
    pub fn select(&self, names: &[String]) -> anyhow::Result<Vec<&Session>> {
        let has_name =
            |session: &Session, name: &String| session.name() == name || session.file == *name;
        for name in names {
            if !self.session.iter().any(|session| has_name(session, name)) {
                let all: Vec<_> = self.session.iter().map(Session::name).collect();
                bail!(
                    "there is no session `{name}`; these are listed in book/sessions.toml: {}",
                    all.join(", ")
                );
            }
        }
        let is_selected = |session: &&Session| {
            names.is_empty() || names.iter().any(|name| has_name(session, name))
        };
        Ok(self.session.iter().filter(is_selected).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Sessions, String> {
        let folder = tempfile::tempdir().unwrap();
        let book = folder.path().join("book");
        std::fs::create_dir(&book).unwrap();
        std::fs::write(book.join("sessions.toml"), text).unwrap();
        Sessions::read(&Repository::around_book(book)).map_err(|error| format!("{error:#}"))
    }

    const TWO: &str =
        "[[session]]\nfile = 'a.txt'\ncommand = 'x'\n[[session]]\nfile = 'b.txt'\ncommand = 'y'\n";

    #[test]
    fn session_is_selected_by_name_or_file() {
        let sessions = list(TWO).unwrap();
        let selected = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let selected = sessions.select(&names).map_err(|error| error.to_string())?;
            Ok::<_, String>(
                selected
                    .iter()
                    .map(|session| session.name())
                    .collect::<Vec<_>>(),
            )
        };

        assert_eq!(selected(&[]).unwrap(), ["a", "b"]);
        assert_eq!(selected(&["b.txt"]).unwrap(), ["b"]);
        assert_eq!(selected(&["b", "a"]).unwrap(), ["a", "b"]);
        let message = selected(&["c"]).unwrap_err();
        assert!(
            message.contains("no session `c`") && message.ends_with("a, b"),
            "{message}"
        );
    }

    #[test]
    fn invalid_list_is_rejected_with_the_reason() {
        for (text, reason) in [
            ("[[session]]\nfile = 'a.txt'\n", "command"),
            (
                "[[session]]\nfile = 'a.txt'\ncommand = 'x'\nmeasurd = true\n",
                "measurd",
            ),
            (
                "[[session]]\nfile = '../a.txt'\ncommand = 'x'\n",
                "not a valid file name",
            ),
            (
                "[[session]]\nfile = 'a.txt'\ncommand = 'x'\nneeds = 'luck'\n",
                "luck",
            ),
            (
                "[[session]]\nfile = 'a.txt'\ncommand = 'x'\nreplace = [{ pattern = '(', with = '' }]\n",
                "regex",
            ),
            (&TWO.replace("b.txt", "a.txt"), "listed twice"),
        ] {
            let message = list(text).unwrap_err();
            assert!(message.contains(reason), "{text}\n→ {message}");
        }
    }
}
