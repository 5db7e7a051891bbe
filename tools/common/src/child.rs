//! A child process that runs a program of ours: a clone, a worker, a proxy under measurement.
//!
//! The child prints one line when it is ready, usually with the address it listens on. Its standard
//! input is a pipe. Started with [`EXIT_ON_STDIN_CLOSE`], the child stops when the parent closes
//! the pipe ([`Child::stop`]). The operating system closes it too when the parent dies, so no child
//! outlives its parent. [`crate::shutdown`] is the child's side of this.
//!
//! Left out: resource limits, and the child's log, which goes to the parent's standard error.

use std::io;
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The flag with which our programs stop when their standard input is closed.
pub const EXIT_ON_STDIN_CLOSE: &str = "--exit-on-stdin-close";

/// How long a child may take to print a line, on a busy machine.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running child process. Dropping this kills it.
#[derive(Debug)]
pub struct Child {
    name: String,
    first_line: String,
    process: tokio::process::Child,
    /// Open for as long as the child should run.
    stdin: Option<ChildStdin>,
    /// Kept open: a process fails when it prints and its standard output is closed.
    stdout: Lines<BufReader<ChildStdout>>,
}

/// Why a child process does not run.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program does not exist, or this machine cannot run it.
    #[error("cannot start {name} ({program})")]
    Start {
        /// The child's name.
        name: String,
        /// The program's path.
        program: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The child printed no line in time. It is killed.
    #[error("{0} printed nothing for {START_TIMEOUT:?}, although it should say that it is ready")]
    Timeout(String),
    /// The child ended before it printed the expected line.
    #[error("{0} ended before it was ready; its standard error may say why")]
    Ended(String),
    /// The child printed something else instead of its address.
    #[error("{name} printed `{line}`, although it should print the http:// address it listens on")]
    NoAddress {
        /// The child's name.
        name: String,
        /// What it printed.
        line: String,
    },
    /// The operating system could not read from the process or kill it.
    #[error("cannot control the process of {name}")]
    Process {
        /// The child's name.
        name: String,
        /// The operating system's error.
        source: io::Error,
    },
}

impl Child {
    /// Starts the command and returns when the child has printed its first line.
    ///
    /// The caller sets program, arguments and environment. `name` appears in error messages.
    ///
    /// ```no_run
    /// use common::child::{Child, EXIT_ON_STDIN_CLOSE};
    ///
    /// # async fn start() -> Result<(), common::child::ChildError> {
    /// let mut command = tokio::process::Command::new("ch01-clones");
    /// command.args(["clone", "--listen", "127.0.0.1:0", EXIT_ON_STDIN_CLOSE]);
    /// let child = Child::start("clone-1", &mut command).await?;
    /// println!("{} listens on {}", child.name(), child.address()?);
    /// # Ok(()) }
    /// ```
    pub async fn start(name: impl Into<String>, command: &mut Command) -> Result<Self, ChildError> {
        let name = name.into();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().map_err(|source| ChildError::Start {
            name: name.clone(),
            program: command.as_std().get_program().display().to_string(),
            source,
        })?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().expect("stdout is piped above");
        let mut child = Child {
            name,
            first_line: String::new(),
            process,
            stdin,
            stdout: BufReader::new(stdout).lines(),
        };
        child.first_line = child.next_line().await?;
        Ok(child)
    }

    /// Waits for the next line of the child's standard output, without its end of line.
    pub async fn next_line(&mut self) -> Result<String, ChildError> {
        let Ok(line) = timeout(START_TIMEOUT, self.stdout.next_line()).await else {
            return Err(ChildError::Timeout(self.name.clone()));
        };
        line.map_err(|source| self.process_error(source))?
            .ok_or_else(|| ChildError::Ended(self.name.clone()))
    }

    /// The name that was given to [`Child::start`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the child printed when it was ready, without the end of line.
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// The address in the child's first line, such as `clone-1 listens on http://127.0.0.1:8081`.
    pub fn address(&self) -> Result<SocketAddr, ChildError> {
        self.address_in(&self.first_line)
    }

    /// The same from another line, for a child that listens on several addresses.
    pub fn address_in(&self, line: &str) -> Result<SocketAddr, ChildError> {
        http_address(line).ok_or_else(|| ChildError::NoAddress {
            name: self.name.clone(),
            line: line.to_owned(),
        })
    }

    /// The process id; `None` after the child has ended and a method has noticed it.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The exit status, if the child has ended. Does not wait.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits until the child ends by itself. The standard input stays open.
    ///
    /// Safe to cancel, and safe to call again after the child has ended.
    pub async fn wait(&mut self) -> Result<ExitStatus, ChildError> {
        // `tokio::process::Child::wait` closes the standard input first, unless it was taken.
        let status = self.process.wait().await;
        status.map_err(|source| self.process_error(source))
    }

    /// Closes the child's standard input and waits; kills the child when `limit` has passed.
    /// Returns whether the child ended by itself.
    pub async fn stop(mut self, limit: Duration) -> bool {
        drop(self.stdin.take());
        let ended = timeout(limit, self.process.wait()).await.is_ok();
        if !ended {
            let _ = self.process.kill().await;
        }
        ended
    }

    /// Kills the child (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) -> Result<(), ChildError> {
        let killed = self.process.kill().await;
        killed.map_err(|source| self.process_error(source))
    }

    fn process_error(&self, source: io::Error) -> ChildError {
        let name = self.name.clone();
        ChildError::Process { name, source }
    }
}

fn http_address(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("http://")?;
    address.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn child_prints_its_address() {
        let script = "echo a clone listens on http://127.0.0.1:8081 '(Ctrl-C ends it)'; cat";
        let child = Child::start("a", &mut shell(script)).await.unwrap();
        assert_eq!(child.address().unwrap(), ([127, 0, 0, 1], 8081).into());
    }

    #[tokio::test]
    async fn closed_input_stops_child() {
        let child = Child::start("a", &mut shell("echo ready; cat"))
            .await
            .unwrap();
        let ended_by_itself = child.stop(START_TIMEOUT).await;
        assert!(ended_by_itself, "is the child's standard input still open?");
    }

    #[tokio::test]
    async fn child_that_ignores_its_input_is_killed() {
        let script = "echo ready; exec sleep 1000";
        let child = Child::start("a", &mut shell(script)).await.unwrap();
        let ended_by_itself = child.stop(Duration::ZERO).await;
        assert!(
            !ended_by_itself,
            "`stop` must report that it killed the child"
        );
    }

    #[tokio::test]
    async fn child_that_ends_early_is_an_error() {
        let started = Child::start("a", &mut shell("exit 3")).await;
        assert!(matches!(started, Err(ChildError::Ended(name)) if name == "a"));
    }

    #[tokio::test]
    async fn line_without_address_is_an_error() {
        let child = Child::start("a", &mut shell("echo hello; cat"))
            .await
            .unwrap();
        let error = child.address().unwrap_err().to_string();
        assert!(error.starts_with("a printed `hello`"), "{error}");
    }
}
