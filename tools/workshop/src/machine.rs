//! This machine, as the commands see it: [`Machine`] finds its programs and asks them questions.
//!
//! Everything that a command learns about the outside, and every program that it starts, goes through here; so a test can put a folder
//! of its own programs in the place of a whole machine. Nobody waits for ever: a program that is only asked a question has some
//! seconds to answer. Left out: what it had said until then, if it is ended.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::colour::Colour;
use crate::system::System;

/// Where programs and files are looked for, and how long one waits for them.
#[derive(Debug)]
pub struct Machine {
    /// The folders with programs, written as in `PATH`.
    pub(crate) path: OsString,
    /// What stands before `/etc`, `/run` and `/var`; `/`, except in tests.
    pub(crate) root: PathBuf,
    /// The cargo that runs us.
    pub(crate) cargo: OsString,
    /// `linux`, `macos`, `windows` …
    pub(crate) os: &'static str,
    /// How long a question may take.
    pub(crate) patience: Duration,
    /// How long Docker's engine may take to start.
    pub(crate) start_patience: Duration,
    /// What our own outputs show.
    pub(crate) colour: Colour,
    /// Where Docker's engine is, if somebody has said so.
    pub(crate) docker_host: Option<String>,
}

/// What came of asking a program.
#[derive(Debug)]
pub enum Answer {
    /// It ended by itself.
    Said {
        /// Whether it says that all went well (exit code 0).
        success: bool,
        /// What it wrote to its standard output.
        stdout: String,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// There is no such program.
    Missing,
    /// It did not answer in time, and was ended.
    Late,
}

impl Machine {
    /// The one that this runs on.
    pub fn here() -> Self {
        let mut path = env::var_os("PATH").unwrap_or_default();
        if cfg!(unix) {
            // After `su` without a dash root has a user's PATH, without the folders of an administrator's programs.
            path.push(":/usr/local/sbin:/usr/sbin:/sbin");
        }
        Machine {
            path,
            root: PathBuf::from("/"),
            // `cargo run` tells its program which cargo it is, and so everything is built with the same toolchain.
            cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            os: env::consts::OS,
            // More than a busy machine needs, and less than a person bears.
            patience: Duration::from_secs(10),
            start_patience: Duration::from_mins(1),
            colour: Colour::detect(),
            docker_host: env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()),
        }
    }

    /// A command that is looked for in this machine's folders.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }

    /// Whether there is such a program.
    pub fn has(&self, program: &str) -> bool {
        let name = format!("{program}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&self.path).any(|folder| folder.join(&name).is_file())
    }

    /// A file or folder, given by its absolute path.
    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Runs a program that only answers a question.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> Answer {
        let mut command = self.command(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Answer::Missing,
            Err(error) => return Answer::failed(&error),
        };

        let stdout = read_aside(child.stdout.take().expect("it was asked for as a pipe"));
        let stderr = read_aside(child.stderr.take().expect("it was asked for as a pipe"));
        let deadline = Instant::now() + self.patience;
        let rest = || deadline.saturating_duration_since(Instant::now());
        let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(rest()), stderr.recv_timeout(rest()))
        else {
            // If it cannot be ended, it has just ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            return Answer::Late;
        };
        match child.wait() {
            Ok(status) => Answer::Said {
                success: status.success(),
                stdout,
                stderr,
            },
            Err(error) => Answer::failed(&error),
        }
    }

    /// The standard output of a program that succeeded, without the spaces around it.
    pub fn answer(&self, program: &str, arguments: &[&str]) -> Option<String> {
        match self.ask(program, arguments) {
            Answer::Said {
                success: true,
                stdout,
                ..
            } => Some(stdout.trim().to_owned()),
            _ => None,
        }
    }

    /// Whether we may do everything here. Nothing but `id` says so everywhere; where there is none, we are not.
    pub fn is_root(&self) -> bool {
        self.answer("id", &["-u"]).as_deref() == Some("0")
    }

    /// Which kind of system this is.
    pub fn system(&self) -> System {
        let os_release = fs::read_to_string(self.file("/etc/os-release")).unwrap_or_default();
        System::of(self.os, &os_release)
    }
}

impl Answer {
    fn failed(error: &io::Error) -> Self {
        Answer::Said {
            success: false,
            stdout: String::new(),
            stderr: error.to_string(),
        }
    }
}

/// Reads to the end on a thread of its own: whoever waits for the text can stop waiting.
pub(crate) fn read_aside(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is still what the program said.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    waiting
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::Fakes;

    #[test]
    fn a_program_that_never_answers_is_ended() {
        let fakes = Fakes::new();
        fakes.program("docker", "echo half an answer; exec /bin/sleep 600");
        let mut machine = fakes.machine();
        machine.patience = Duration::from_millis(50);

        let answer = machine.ask("docker", &["version"]);

        assert!(matches!(answer, Answer::Late), "{answer:?}");
    }

    #[test]
    fn an_answer_longer_than_a_pipe_arrives_whole() {
        let fakes = Fakes::new();
        fakes.program(
            "docker",
            "i=0; while [ $i -lt 20000 ]; do echo image:tag; i=$((i+1)); done",
        );

        let answer = fakes.machine().answer("docker", &["image", "ls"]).unwrap();

        assert_eq!(answer.lines().count(), 20_000);
    }

    #[test]
    fn a_program_that_is_not_there_is_missing() {
        let machine = Fakes::new().machine();

        assert!(matches!(machine.ask("docker", &[]), Answer::Missing));
        assert!(!machine.has("docker"));
    }
}
