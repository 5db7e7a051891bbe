//! A role in a process of its own: this same program, started once more.
//!
//! The pipe to its standard input is what holds the two together. Closing it tells the child to stop. And because the system closes it
//! when this process ends, in whatever way, no child outlives its parent.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::time::{Instant, timeout_at};

use crate::servers::Addresses;

/// A child process that plays one role.
pub struct Child {
    /// Such as `clone-2`.
    pub name: String,
    /// What it said when it was ready.
    pub first_line: String,
    /// Its process id, for whoever wants to kill it.
    pub pid: u32,
    process: tokio::process::Child,
    stdin: Option<ChildStdin>,
    ended: bool,
}

impl Child {
    /// Starts this program with these arguments, and waits for its first line.
    pub async fn start(
        name: &str,
        arguments: &[&str],
        addresses: &Addresses,
        folder: &Path,
    ) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("this program does not find itself")?;
        let mut process = Command::new(program)
            .args(arguments)
            .arg("--end-with-stdin")
            .arg("--data-dir")
            .arg(folder)
            .envs(addresses.to_env())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().expect("it was asked for");
        let mut first_line = String::new();
        BufReader::new(stdout).read_line(&mut first_line).await?;
        if first_line.is_empty() {
            let status = process.wait().await?;
            bail!(
                "{name} ended while it started ({status}); it has said why on the standard error"
            );
        }
        Ok(Child {
            name: name.to_owned(),
            first_line: first_line.trim().to_owned(),
            pid: process.id().unwrap_or_default(),
            process,
            stdin,
            ended: false,
        })
    }

    /// Whether it has ended, as far as anybody has looked.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Waits until it ends, and says so in a sentence.
    pub async fn ended(&mut self) -> String {
        let status = self.process.wait().await;
        self.ended = true;
        let how = status.map_or_else(|error| error.to_string(), describe);
        format!("{} has ended ({how})", self.name)
    }

    /// Asks it to stop and waits; past the deadline it is killed.
    pub async fn stop(mut self, deadline: Instant) {
        drop(self.stdin.take());
        if timeout_at(deadline, self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    status.to_string()
}
