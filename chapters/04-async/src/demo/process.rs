//! A worker as a process of its own, so that it can die as processes die.
//!
//! It is this very program, started again. The chapter's tests start their workers with this file too.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long it may take to say that it is there, on a machine that has other things to do.
const START: Duration = Duration::from_secs(30);

/// A running process. Dropping this kills it.
pub struct Baker {
    /// Its first line.
    pub said: String,
    process: Child,
    /// It ends when this does: also when we are killed ourselves and drop nothing.
    _input: ChildStdin,
    /// Kept, because a process whose output nobody takes any more fails when it prints.
    _output: BufReader<ChildStdout>,
}

impl Baker {
    /// Starts this program with these arguments, and returns when it is ready.
    pub async fn start(program: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(program)
            .args(arguments)
            .arg("--attended")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let input = process.stdin.take().context("the input was to be piped")?;
        let mut output = BufReader::new(
            process
                .stdout
                .take()
                .context("the output was to be piped")?,
        );
        let mut line = String::new();
        let reading = tokio::time::timeout(START, output.read_line(&mut line));
        reading
            .await
            .with_context(|| format!("{arguments:?} has said nothing for {START:?}"))??;
        ensure!(
            !line.is_empty(),
            "{arguments:?} ended before it was ready; it may have said why above"
        );
        Ok(Baker {
            said: line,
            process,
            _input: input,
            _output: output,
        })
    }

    /// `kill -9`: it has no time to say goodbye, to anybody. Returns when it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("cannot kill a worker")
    }
}
