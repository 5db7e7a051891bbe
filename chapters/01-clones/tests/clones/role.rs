//! The program of chapter 1 as a process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::within_deadline;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ch01-clones");

/// A role of the program that runs until this is dropped.
pub struct Role {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Role {
    pub fn start(arguments: &[&str]) -> Self {
        Role::spawn(Command::new(PROGRAM).args(arguments))
    }

    /// Starts the program with at most this many open files.
    pub fn start_with_descriptors(limit: usize, arguments: &[&str]) -> Self {
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        Role::spawn(
            Command::new("sh")
                .args(["-c", &script, PROGRAM])
                .args(arguments),
        )
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Role { process, lines }
    }

    /// The next line that contains this text.
    pub async fn line(&mut self, with: &str) -> String {
        loop {
            let line = within_deadline(with, self.lines.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("the program ended before it said {with:?}"));
            if line.contains(with) {
                return line;
            }
        }
    }

    /// The address in the next line that contains this text.
    pub async fn address(&mut self, with: &str) -> SocketAddr {
        let line = self.line(with).await;
        let address = line.split("http://").nth(1).expect(&line);
        let end = address
            .find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)))
            .unwrap_or(address.len());
        address[..end].parse().expect(&line)
    }

    pub fn pid(&self) -> u32 {
        self.process.id().unwrap()
    }
}

/// Runs the program until it ends.
pub async fn run(arguments: &[&str]) -> Output {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    within_deadline("the program to end", output).await.unwrap()
}

pub fn error(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A path as text, for an argument.
pub fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}
