//! A program that runs beside the experiment, and dies with it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use super::cpu;

/// How long a program may take to start, on a machine that has other things to do.
const START: Duration = Duration::from_secs(30);

/// A running program. Dropping this kills it.
pub struct Running {
    pub name: &'static str,
    pub address: SocketAddr,
    process: Child,
    /// Kept, because a process whose output nobody takes any more fails when it prints.
    _output: Option<Lines<BufReader<ChildStdout>>>,
    /// Its settings lie here.
    _folder: Option<TempDir>,
}

impl Running {
    /// A build of this program in another role, which says in its first lines where it listens.
    /// Returns the first of those addresses, and all of them.
    pub async fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        lines: usize,
    ) -> anyhow::Result<(Self, Vec<SocketAddr>)> {
        let mut process = Command::new(program)
            .args(arguments)
            // One thread for all connections, as nginx and HAProxy have here.
            .env("TOKIO_WORKER_THREADS", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut output = BufReader::new(
            process
                .stdout
                .take()
                .context("the output was to be piped")?,
        )
        .lines();
        let mut addresses = Vec::new();
        for _ in 0..lines {
            let line = timeout(START, output.next_line())
                .await
                .with_context(|| format!("{name} says nothing"))??;
            let line = line.with_context(|| format!("{name} ended before it listened"))?;
            let address = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            let address = address.with_context(|| format!("{name} names no address: {line}"))?;
            addresses.push(address.parse()?);
        }
        let address = *addresses.first().context("a program listens somewhere")?;
        let running = Running {
            name,
            address,
            process,
            _output: Some(output),
            _folder: None,
        };
        Ok((running, addresses))
    }

    /// Another program, whose settings lie in `folder` and tell it to listen at `address`. `None`
    /// if it is not installed.
    pub async fn other(
        name: &'static str,
        command: &mut Command,
        address: SocketAddr,
        folder: TempDir,
    ) -> anyhow::Result<Option<Self>> {
        let started = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot start {name}")),
        };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).await.is_err() {
            let ended = process.try_wait()?;
            ensure!(
                ended.is_none(),
                "{name} does not take the settings that this experiment gives it ({ended:?})"
            );
            ensure!(
                Instant::now() < deadline,
                "{name} does not listen on {address}"
            );
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Some(Running {
            name,
            address,
            process,
            _output: None,
            _folder: Some(folder),
        }))
    }

    /// The processor time that it has used so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let process = self
            .process
            .id()
            .with_context(|| format!("{} has ended", self.name))?;
        cpu::used_by(process)
    }
}

/// An address on this machine where nobody listens at the moment.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot listen on any port of 127.0.0.1")?;
    Ok(listener.local_addr()?)
}
