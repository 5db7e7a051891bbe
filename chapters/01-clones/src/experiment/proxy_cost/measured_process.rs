//! A program under measurement. It runs as a child process and dies with the experiment.

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

/// How long a program may take to start, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A measured program. Dropping this kills it.
pub struct MeasuredProcess {
    pub name: &'static str,
    pub address: SocketAddr,
    process: Child,
    /// Kept open: a process fails when it prints and its standard output is closed.
    _output: Option<Lines<BufReader<ChildStdout>>>,
    /// The folder of its settings.
    _folder: Option<TempDir>,
}

impl MeasuredProcess {
    /// Starts a build of this program, which prints its addresses in its first lines. Returns all
    /// these addresses too.
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
                .context("the standard output is piped")?,
        )
        .lines();
        let mut addresses = Vec::new();
        for _ in 0..lines {
            let line = timeout(START_TIMEOUT, output.next_line())
                .await
                .with_context(|| format!("{name} printed nothing within 30 s"))??;
            let line = line.with_context(|| format!("{name} ended before it listened"))?;
            let address = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            let address = address.with_context(|| {
                format!("expected an address from {name}, but it printed: {line}")
            })?;
            addresses.push(address.parse()?);
        }
        let address = *addresses
            .first()
            .context("the program printed no address")?;
        let measured = MeasuredProcess {
            name,
            address,
            process,
            _output: Some(output),
            _folder: None,
        };
        Ok((measured, addresses))
    }

    /// Starts another program. Its settings in `folder` make it listen on `address`. `None` if it
    /// is not installed.
    pub async fn start_foreign(
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
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(address).await.is_err() {
            let ended = process.try_wait()?;
            ensure!(
                ended.is_none(),
                "{name} rejects the settings of this experiment ({ended:?})"
            );
            ensure!(
                Instant::now() < deadline,
                "{name} does not listen on {address}"
            );
            sleep(Duration::from_millis(10)).await;
        }
        Ok(Some(MeasuredProcess {
            name,
            address,
            process,
            _output: None,
            _folder: Some(folder),
        }))
    }

    /// The processor time that the process has used so far.
    pub fn cpu_time(&self) -> anyhow::Result<Duration> {
        let process = self
            .process
            .id()
            .with_context(|| format!("{} has ended", self.name))?;
        cpu::used_by(process)
    }
}

/// A loopback address with an unused port.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot listen on any port of 127.0.0.1")?;
    Ok(listener.local_addr()?)
}
