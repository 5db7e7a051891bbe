//! Records the terminal sessions of the book, or compares the book with them.
//!
//! [`run`] is the entry point. The [`list`] names the sessions. [`Recorder::record`] records one
//! session: it starts a [`store`] if the session needs one, runs the [`command`], turns its output
//! into the session's [`text`], and writes or compares the file. If one session fails, the others
//! still run, and the exit code is a failure.
//!
//! A session shows only the standard output. Cargo's messages and the logs of programs go to the
//! standard error. Left out: sessions with several commands.

pub mod command;
pub mod list;
pub mod store;
pub mod text;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};

use self::command::{RunningCommand, is_interrupted};
use self::list::{FOLDER, Requirement, Session, Sessions};
use self::store::Store;
use crate::repository::Repository;

/// The time limit for `docker info`.
const DOCKER_TIMEOUT: Duration = Duration::from_secs(30);

/// `book output [--check] [NAME…]`.
pub fn run(repository: &Repository, names: &[String], check: bool) -> anyhow::Result<ExitCode> {
    let sessions = Sessions::read(repository)?;
    let selected = sessions.select(names)?;
    let recorder = Recorder {
        repository,
        check,
        docker: "docker",
    };
    let mut failed = 0;
    for session in &selected {
        let file = &session.file;
        eprintln!("{file}: {}", session.command);
        match recorder.record(session) {
            Ok(Outcome::Unchanged) => println!("{file}: unchanged"),
            Ok(Outcome::Written) => println!("{file}: written"),
            Ok(Outcome::Differs(difference)) => {
                failed += 1;
                print!(
                    "{file}: the book differs from the output; `cargo run -p book -- output {}` updates it\n{difference}",
                    session.name()
                );
            }
            Err(error) if is_interrupted() => return Err(error),
            Err(error) => {
                failed += 1;
                println!("{file}: {error:#}");
            }
        }
    }
    let count = selected.len();
    if failed == 0 {
        println!("{count} sessions, no problem");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{failed} of {count} sessions failed");
    Ok(ExitCode::FAILURE)
}

/// Records sessions.
#[derive(Debug)]
pub struct Recorder<'run> {
    /// The repository with the book and the programs.
    pub repository: &'run Repository,
    /// Whether to compare the files instead of writing them.
    pub check: bool,
    /// The Docker client's program.
    pub docker: &'run str,
}

/// The result of recording a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The book has the same text.
    Unchanged,
    /// The book's file was written.
    Written,
    /// The book has another text. Contains the diff.
    Differs(String),
}

impl Recorder<'_> {
    /// Records one session.
    pub fn record(&self, session: &Session) -> anyhow::Result<Outcome> {
        if session.needs == Some(Requirement::Docker) {
            self.check_docker()?;
        }
        let words = shlex::split(&session.command).filter(|words| !words.is_empty());
        let mut words = words.with_context(|| {
            format!(
                "`{}` is not a command; correct book/sessions.toml",
                session.command
            )
        })?;
        if self.check && session.measured {
            // A check compares only the words. A debug build prints the same words and compiles
            // faster.
            words.retain(|word| word != "--release");
        }
        if let Some(variable) = &session.written_if {
            return self.run_writing_test(session, &words, variable);
        }

        let path = self.path(session);
        let new_text = text::session_text(session, &self.run_command(session, words)?);
        let book_text = fs::read_to_string(&path).unwrap_or_default();
        if self.check {
            let difference = text::diff(session, &book_text, &new_text);
            return Ok(difference.map_or(Outcome::Unchanged, Outcome::Differs));
        }
        if book_text.replace("\r\n", "\n") == new_text {
            return Ok(Outcome::Unchanged);
        }
        let folder = path.parent().expect("the path has a folder");
        fs::create_dir_all(folder)?;
        fs::write(&path, new_text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Outcome::Written)
    }

    /// Runs the session's command, with a store if the session needs one. Returns its output.
    fn run_command(&self, session: &Session, mut words: Vec<String>) -> anyhow::Result<String> {
        let limit = Duration::from_secs(session.limit_seconds);
        let store = if let Some(flag) = session.store {
            let store = Store::start(&words, |words| self.command(words), limit)?;
            for _ in 0..session.visitors {
                store.send_request()?;
            }
            words.extend(store.flag(flag));
            Some(store)
        } else {
            None
        };
        let printed =
            RunningCommand::start(&mut self.command(&words), &session.command, limit)?.finish()?;
        Ok(match store {
            Some(store) => printed.replace(store.address(), "127.0.0.1:8080"),
            None => printed,
        })
    }

    /// Runs a test that writes or compares the file.
    fn run_writing_test(
        &self,
        session: &Session,
        words: &[String],
        variable: &str,
    ) -> anyhow::Result<Outcome> {
        let path = self.path(session);
        let before = fs::read(&path).ok();
        let mut command = self.command(words);
        if self.check {
            command.env_remove(variable);
        } else {
            command.env(variable, "1");
        }
        let limit = Duration::from_secs(session.limit_seconds);
        RunningCommand::start(&mut command, &session.command, limit)?.finish()?;
        let after = fs::read(&path)
            .with_context(|| format!("the test did not write {}", path.display()))?;
        let is_same = before.as_ref() == Some(&after);
        Ok(if is_same {
            Outcome::Unchanged
        } else {
            Outcome::Written
        })
    }

    fn path(&self, session: &Session) -> PathBuf {
        self.repository
            .book
            .join("src")
            .join(FOLDER)
            .join(&session.file)
    }

    /// A command as the reader types it: in the root, without colours, and without the variables
    /// that cargo sets for this package.
    fn command(&self, words: &[String]) -> Command {
        let cargo = env::var_os("CARGO").filter(|_| words[0] == "cargo");
        let mut command = Command::new(cargo.unwrap_or_else(|| words[0].clone().into()));
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            // A change of these variables makes cargo run build scripts again.
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command.args(&words[1..]).current_dir(&self.repository.root);
        command
            .env("NO_COLOR", "1")
            .env("CARGO_TERM_COLOR", "never")
            .env_remove("RUST_LOG");
        command
    }

    fn check_docker(&self) -> anyhow::Result<()> {
        let mut docker = Command::new(self.docker);
        docker.args(["info", "--format", "{{.ServerVersion}}"]);
        let answer = RunningCommand::start(&mut docker, "docker info", DOCKER_TIMEOUT)
            .and_then(RunningCommand::finish);
        if let Err(error) = answer {
            bail!(
                "this session needs Docker, which does not answer; `cargo workshop doctor` tells you how to install it ({error:#})"
            );
        }
        Ok(())
    }
}
