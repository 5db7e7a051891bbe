//! A server program as a child process that prints its address.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::within_deadline;

/// A running program. Dropping this kills it.
pub struct Serving {
    pub address: SocketAddr,
    process: Child,
    /// Kept open: a process fails when it prints and its standard output is closed.
    _output: BufReader<ChildStdout>,
}

impl Serving {
    /// Starts the program. Returns when it has printed its address: `http://ADDRESS`, followed by a
    /// space or the end of the line.
    pub async fn start(command: &mut Command) -> Self {
        let mut process = command
            // Open as long as this process lives: a stand-in ends when it is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            let read = within_deadline(
                "the program to print its address",
                output.read_line(&mut line),
            )
            .await;
            assert_ne!(read.unwrap(), 0, "it ended before it listened");
        }
        let address = line
            .split("http://")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        Serving {
            address: address.parse().unwrap(),
            process,
            _output: output,
        }
    }

    /// Sends `kill -9`. Returns when the process has ended.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
}
