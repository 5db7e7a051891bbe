//! A store for one session: [`Store::start`] starts `ch05-full` in an empty folder on a free port.
//!
//! The store is the same program as the session's command, with the same build options. Left out:
//! a graceful shutdown, because the folder is removed.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::command::RunningCommand;
use super::list::StoreFlag;

/// The read timeout of a visitor's request.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A running store. Drop kills the process and removes its data.
#[derive(Debug)]
pub struct Store {
    /// This field comes first, so that the process ends before its folder is removed.
    _process: RunningCommand,
    data: TempDir,
    /// The address of the store, such as `http://127.0.0.1:40123`.
    pub url: String,
}

impl Store {
    /// Starts the program of this command: `cargo run -p ch05-full -- inspect` becomes `cargo run
    /// -p ch05-full -- serve`. The time limit includes cargo's build.
    pub fn start(
        words: &[String],
        command: impl Fn(&[String]) -> Command,
        limit: Duration,
    ) -> anyhow::Result<Store> {
        let data = tempfile::tempdir().context("cannot create a temporary folder")?;
        let program = words.split(|word| word == "--").next().unwrap_or_default();
        let mut words = program.to_vec();
        words.extend(["--", "serve", "--listen", "127.0.0.1:0", "--data-dir"].map(String::from));
        words.push(data.path().display().to_string());
        let mut process = RunningCommand::start(&mut command(&words), &words.join(" "), limit)?;
        let url = process.next_line()?;
        if !url.starts_with("http://") {
            bail!("expected the store's address as its first line, but got \"{url}\"");
        }
        Ok(Store {
            _process: process,
            data,
            url,
        })
    }

    /// The host and port of the store.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The flag that tells a command where the store is.
    pub fn flag(&self, flag: StoreFlag) -> [String; 2] {
        match flag {
            StoreFlag::Url => ["--url".to_owned(), self.url.clone()],
            StoreFlag::DataDir => [
                "--data-dir".to_owned(),
                self.data.path().display().to_string(),
            ],
        }
    }

    /// Sends one `GET /whoami`, like a visitor of the store. It uses a plain socket, because an
    /// HTTP client would make this crate slower to compile.
    pub fn send_request(&self) -> anyhow::Result<()> {
        let address = self.address();
        let mut stream = TcpStream::connect(address)
            .with_context(|| format!("no server answers at {address}"))?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        write!(
            stream,
            "GET /whoami HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .context("the store does not answer")?;
        match answer.lines().next() {
            Some("HTTP/1.1 200 OK") => Ok(()),
            other => bail!("the store answered a request with {other:?}"),
        }
    }
}
