//! A store of its own for a session: [`Store::start`] starts `ch05-full` in an empty folder and on a free port.
//!
//! It is the program that the session's command runs, built the same way. Left out: ending it gently. Its folder is removed anyway.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::command::Running;
use super::list::Way;

/// How long one visitor waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running store. Dropped, it is killed, and its data are removed.
#[derive(Debug)]
pub struct Store {
    /// Ended before the folder is removed, so it stands first.
    _process: Running,
    data: TempDir,
    /// Where it listens: `http://127.0.0.1:40123`.
    pub url: String,
}

impl Store {
    /// Starts the program of these words: `cargo run -p ch05-full -- inspect` gives `… -- serve`. Cargo may have to build it first.
    pub fn start(
        words: &[String],
        command: impl Fn(&[String]) -> Command,
        limit: Duration,
    ) -> anyhow::Result<Store> {
        let data = tempfile::tempdir().context("no temporary folder")?;
        let program = words.split(|word| word == "--").next().unwrap_or_default();
        let mut words = program.to_vec();
        words.extend(["--", "serve", "--listen", "127.0.0.1:0", "--data-dir"].map(String::from));
        words.push(data.path().display().to_string());
        let mut process = Running::start(&mut command(&words), &words.join(" "), limit)?;
        let url = process.next_line()?;
        if !url.starts_with("http://") {
            bail!("the store's first line is \"{url}\" and not its address");
        }
        Ok(Store {
            _process: process,
            data,
            url,
        })
    }

    /// Where it listens, without `http://`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// The flag by which a command finds it.
    pub fn flag(&self, way: Way) -> [String; 2] {
        match way {
            Way::Url => ["--url".to_owned(), self.url.clone()],
            Way::DataDir => [
                "--data-dir".to_owned(),
                self.data.path().display().to_string(),
            ],
        }
    }

    /// One visitor asks for the server's name. By hand, for an HTTP client takes longer to build than all the rest.
    pub fn visit(&self) -> anyhow::Result<()> {
        let address = self.address();
        let mut stream =
            TcpStream::connect(address).with_context(|| format!("nobody answers at {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
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
            other => bail!("the store answered a visitor with {other:?}"),
        }
    }
}
