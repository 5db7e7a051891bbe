//! A clone as a process of its own, so that it can die as processes die.
//!
//! It is this very program, started again with `clone`. The chapter's tests start their clones with this file too.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

/// How long a clone may take to say where it listens, on a machine that has other things to do.
const START: Duration = Duration::from_secs(30);

/// A running clone. Dropping this kills it.
pub struct CloneProcess {
    /// As in `x-served-by`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    /// Kept, because a process whose output nobody takes any more fails when it prints.
    _output: BufReader<ChildStdout>,
}

impl CloneProcess {
    /// Starts a clone on a free port, and returns when it listens. `sessions` and `avatars` are the values of its arguments:
    /// `local` or the URL of a Redis, and a folder or nothing.
    pub async fn start(program: &Path, name: &str, sessions: &str, avatars: Option<&Path>) -> anyhow::Result<Self> {
        let folder = avatars.map(|folder| [OsStr::new("--avatars"), folder.as_os_str()]);
        let mut process = Command::new(program)
            .args([
                "clone",
                "--listen",
                "127.0.0.1:0",
                "--name",
                name,
                "--sessions",
                sessions,
            ])
            .args(folder.into_iter().flatten())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // However this process ends, short of being killed itself, no clone stays behind.
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut output = BufReader::new(process.stdout.take().context("the output was to be piped")?);
        let mut line = String::new();
        let reading = tokio::time::timeout(START, output.read_line(&mut line));
        reading
            .await
            .with_context(|| format!("{name} has said nothing for {START:?}"))??;
        ensure!(
            !line.is_empty(),
            "{name} ended before it listened; it may have said why above"
        );
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.with_context(|| format!("{name} names no address in its first line: {line}"))?;
        Ok(CloneProcess {
            name: name.to_owned(),
            address: address.parse().with_context(|| format!("{address} is no address"))?,
            process,
            _output: output,
        })
    }

    /// The number of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// `kill -9`: it has no time to say goodbye, to anybody. Returns when it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let id = self.id();
        let killed = self.process.kill().await;
        killed.with_context(|| format!("cannot kill {}, process {id:?}", self.name))
    }
}
