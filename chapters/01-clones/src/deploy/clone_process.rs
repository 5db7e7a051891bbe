//! One clone as a process of its own, from its first line to its end.
//!
//! The pipe to its standard input is what holds it to its parent. Closing it asks the clone to stop; and because the system closes
//! it when the parent ends, in whatever way, no clone outlives the one who started it.
//!
//! Left out: limits on what it may use (systemd and containers have them), and its log, which goes where the parent's goes.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long a clone may take to say where it listens, on a machine that has other things to do.
const START: Duration = Duration::from_secs(30);

/// A running clone. Dropping this kills it.
#[derive(Debug)]
pub struct CloneProcess {
    /// As in `x-served-by`.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    process: Child,
    /// Open for as long as the clone shall run.
    stdin: Option<ChildStdin>,
    /// Kept, because a process whose output nobody takes any more fails when it prints.
    _output: BufReader<ChildStdout>,
}

/// Why a clone does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is not there, or is no program for this machine.
    #[error("cannot start {program}")]
    Start {
        /// Its path.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It said nothing for too long, and was killed.
    #[error("{0} has not said where it listens for {START:?}")]
    Silent(String),
    /// It ended, or said something else.
    #[error(
        "{name} did not start: it said `{line}` and not where it listens; it may have said why above"
    )]
    Line {
        /// The clone.
        name: String,
        /// Its first line; empty if it ended without one.
        line: String,
    },
    /// The system would not tell, or let us do it.
    #[error("cannot talk to the process of {name}")]
    Process {
        /// The clone.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

impl CloneProcess {
    /// Starts `program clone` on a free port with these further arguments, and returns when it listens.
    pub async fn start(
        program: &Path,
        name: &str,
        arguments: &[OsString],
    ) -> Result<Self, ProcessError> {
        let mut process = Command::new(program)
            .args([
                "clone",
                "--listen",
                "127.0.0.1:0",
                "--exit-on-stdin-close",
                "--name",
                name,
            ])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::Start {
                program: program.display().to_string(),
                source,
            })?;
        let stdin = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("it was asked for"));
        let mut line = String::new();
        let read = timeout(START, output.read_line(&mut line)).await;
        read.map_err(|_| ProcessError::Silent(name.to_owned()))?
            .map_err(talking_to(name))?;
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            return Err(ProcessError::Line {
                name: name.to_owned(),
                line: line.trim().to_owned(),
            });
        };
        Ok(CloneProcess {
            name: name.to_owned(),
            address,
            process,
            stdin,
            _output: output,
        })
    }

    /// The number of its process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Asks it to stop, and kills it if it has not stopped in this time. True if it went by itself.
    pub async fn stop(mut self, within: Duration) -> bool {
        drop(self.stdin.take());
        let went = timeout(within, self.process.wait()).await.is_ok();
        if !went {
            let _ = self.process.kill().await;
        }
        went
    }

    /// `kill -9`: it has no time to say goodbye, to anybody. Returns when it is gone.
    pub async fn kill(&mut self) -> Result<(), ProcessError> {
        self.process.kill().await.map_err(talking_to(&self.name))
    }
}

fn talking_to(name: &str) -> impl FnOnce(io::Error) -> ProcessError {
    let name = name.to_owned();
    move |source| ProcessError::Process { name, source }
}
