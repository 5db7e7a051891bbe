//! This machine: [`Machine`] finds programs and files, and runs short commands.
//!
//! Every command gets information about the machine only from here, so a test can replace the
//! whole machine (`fake.rs`).

#[cfg(all(test, unix))]
pub(crate) mod fake;
#[cfg(all(test, unix))]
mod tests;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::{self, ProcessEnd, ProcessOutput};
use crate::terminal::colour::ColourSupport;

/// Where programs and files are, and how long commands may take.
#[derive(Debug)]
pub struct Machine {
    /// The folders with programs, in the format of `PATH`.
    pub(crate) search_path: OsString,
    /// The parent of `/etc`, `/run` and `/var`: `/`, except in tests.
    pub(crate) root: PathBuf,
    /// The cargo that started this program.
    pub(crate) cargo: OsString,
    /// `linux`, `macos`, `windows` …
    pub(crate) os: &'static str,
    /// How long a short command may take, such as `docker version`.
    pub(crate) command_timeout: Duration,
    /// How long Docker's engine may take to start.
    pub(crate) docker_start_timeout: Duration,
    /// Whether our own outputs show colours.
    pub(crate) colour: ColourSupport,
    /// Whether the standard error is a terminal that can replace a line.
    pub(crate) is_terminal: bool,
    /// The value of `DOCKER_HOST`, if it is set.
    pub(crate) docker_host: Option<String>,
}

/// The result of a short command.
#[derive(Debug)]
pub enum CommandResult {
    /// The command ended by itself.
    Finished {
        /// Whether the exit code is 0.
        success: bool,
        /// The standard output.
        stdout: String,
        /// The standard error.
        stderr: String,
    },
    /// The program does not exist.
    NotFound,
    /// The program did not end in time and was killed.
    TimedOut,
}

impl Machine {
    /// The machine that this program runs on.
    pub fn detect() -> Self {
        let mut search_path = env::var_os("PATH").unwrap_or_default();
        if cfg!(unix) {
            // After `su` without `-`, root has the PATH of a normal user.
            search_path.push(":/usr/local/sbin:/usr/sbin:/sbin");
        }
        Machine {
            search_path,
            root: PathBuf::from("/"),
            // `cargo run` sets CARGO, so everything is built with the same toolchain.
            cargo: env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
            os: env::consts::OS,
            // A busy machine needs several seconds.
            command_timeout: Duration::from_secs(10),
            docker_start_timeout: Duration::from_mins(1),
            colour: ColourSupport::detect(),
            is_terminal: io::stderr().is_terminal()
                && env::var_os("TERM").is_none_or(|it| it != "dumb"),
            docker_host: env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()),
        }
    }

    /// A command for a program on this machine's search path.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.search_path);
        command
    }

    /// Whether the search path has this program.
    pub fn has_program(&self, program: &str) -> bool {
        let name = format!("{program}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&self.search_path).any(|dir| dir.join(&name).is_file())
    }

    /// A file or folder, given by its absolute path.
    pub fn path_of(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Runs a short command and captures its output.
    pub fn run(&self, program: &str, arguments: &[&str]) -> CommandResult {
        let mut command = self.command(program);
        command.args(arguments);
        match process::run_with_limits(&mut command, self.command_timeout, &mut |_| false) {
            Ok(ProcessOutput {
                end: ProcessEnd::Exited { success, .. },
                stdout,
                stderr,
            }) => CommandResult::Finished {
                success,
                stdout,
                stderr,
            },
            Ok(_) => CommandResult::TimedOut,
            Err(error) if error.kind() == io::ErrorKind::NotFound => CommandResult::NotFound,
            Err(error) => CommandResult::Finished {
                success: false,
                stdout: String::new(),
                stderr: error.to_string(),
            },
        }
    }

    /// The trimmed standard output of a short command, if it succeeds.
    pub fn stdout_of(&self, program: &str, arguments: &[&str]) -> Option<String> {
        match self.run(program, arguments) {
            CommandResult::Finished {
                success: true,
                stdout,
                ..
            } => Some(stdout.trim().to_owned()),
            _ => None,
        }
    }

    /// Whether the user is root. False where the program `id` does not exist.
    pub fn is_root(&self) -> bool {
        self.stdout_of("id", &["-u"]).as_deref() == Some("0")
    }
}
