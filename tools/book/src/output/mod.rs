//! Records the terminal sessions of the book, or compares the book with them.
//!
//! [`run`] is the entry point. The [`list`] names the sessions. [`Maker::renew`] records one
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

use self::command::{Running, is_interrupted};
use self::list::{FOLDER, Need, Session, Sessions};
use self::store::Store;
use crate::repository::Repository;

/// The time limit for `docker info`.
const DOCKER_ANSWERS: Duration = Duration::from_secs(30);

/// `book output [--check] [NAME…]`.
pub fn run(repository: &Repository, names: &[String], check: bool) -> anyhow::Result<ExitCode> {
    let sessions = Sessions::read(repository)?;
    let chosen = sessions.choose(names)?;
    let maker = Maker {
        repository,
        check,
        docker: "docker",
    };
    let mut failed = 0;
    for session in &chosen {
        let file = &session.file;
        eprintln!("{file}: {}", session.command);
        match maker.renew(session) {
            Ok(Renewed::Same) => println!("{file}: as the book shows it"),
            Ok(Renewed::Written) => println!("{file}: written"),
            Ok(Renewed::Differs(difference)) => {
                failed += 1;
                print!(
                    "{file}: the book shows something else; `cargo run -p book -- output {}` writes it anew\n{difference}",
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
    let count = chosen.len();
    if failed == 0 {
        println!("{count} sessions, nothing wrong");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{failed} of {count} sessions went wrong");
    Ok(ExitCode::FAILURE)
}

/// Records sessions.
#[derive(Debug)]
pub struct Maker<'run> {
    /// The repository with the book and the programs.
    pub repository: &'run Repository,
    /// Whether to compare the files instead of writing them.
    pub check: bool,
    /// The Docker client's program.
    pub docker: &'run str,
}

/// The result of recording a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The book has the same text.
    Same,
    /// The book's file was written.
    Written,
    /// The book has another text. Contains the diff.
    Differs(String),
}

impl Maker<'_> {
    /// Records one session.
    pub fn renew(&self, session: &Session) -> anyhow::Result<Renewed> {
        if session.needs == Some(Need::Docker) {
            self.ask_docker()?;
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
            return self.run_writer(session, &words, variable);
        }

        let path = self.path(session);
        let shown = text::shown(session, &self.record(session, words)?);
        let in_the_book = fs::read_to_string(&path).unwrap_or_default();
        if self.check {
            let difference = text::difference(session, &in_the_book, &shown);
            return Ok(difference.map_or(Renewed::Same, Renewed::Differs));
        }
        if in_the_book.replace("\r\n", "\n") == shown {
            return Ok(Renewed::Same);
        }
        let folder = path.parent().expect("it lies in a folder");
        fs::create_dir_all(folder)?;
        fs::write(&path, shown)
            .with_context(|| format!("{} could not be written", path.display()))?;
        Ok(Renewed::Written)
    }

    /// Runs the session's command, with a store if the session needs one. Returns its output.
    fn record(&self, session: &Session, mut words: Vec<String>) -> anyhow::Result<String> {
        let limit = Duration::from_secs(session.limit_seconds);
        let store = if let Some(way) = session.store {
            let store = Store::start(&words, |words| self.command(words), limit)?;
            for _ in 0..session.visitors {
                store.visit()?;
            }
            words.extend(store.flag(way));
            Some(store)
        } else {
            None
        };
        let printed =
            Running::start(&mut self.command(&words), &session.command, limit)?.finish()?;
        Ok(match store {
            Some(store) => printed.replace(store.address(), "127.0.0.1:8080"),
            None => printed,
        })
    }

    /// Runs a test that writes or compares the file.
    fn run_writer(
        &self,
        session: &Session,
        words: &[String],
        variable: &str,
    ) -> anyhow::Result<Renewed> {
        let path = self.path(session);
        let before = fs::read(&path).ok();
        let mut command = self.command(words);
        if self.check {
            command.env_remove(variable);
        } else {
            command.env(variable, "1");
        }
        let limit = Duration::from_secs(session.limit_seconds);
        Running::start(&mut command, &session.command, limit)?.finish()?;
        let after =
            fs::read(&path).with_context(|| format!("{} was not written", path.display()))?;
        let is_same = before.as_ref() == Some(&after);
        Ok(if is_same {
            Renewed::Same
        } else {
            Renewed::Written
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

    fn ask_docker(&self) -> anyhow::Result<()> {
        let mut docker = Command::new(self.docker);
        docker.args(["info", "--format", "{{.ServerVersion}}"]);
        let answer =
            Running::start(&mut docker, "docker info", DOCKER_ANSWERS).and_then(Running::finish);
        if let Err(error) = answer {
            bail!(
                "this session needs Docker, which does not answer; `cargo workshop doctor` tells how to get it ({error:#})"
            );
        }
        Ok(())
    }
}
