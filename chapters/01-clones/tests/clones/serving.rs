//! Any program that serves and says where, as a process of its own.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::soon;

/// A running program. Dropping this kills it.
pub struct Serving {
    pub address: SocketAddr,
    process: Child,
    /// Kept, because a process whose output nobody takes any more fails when it prints.
    _output: BufReader<ChildStdout>,
}

impl Serving {
    /// Starts it, and returns when it has printed where it listens: `http://ADDRESS`, and then a
    /// space or the end of the line.
    pub async fn start(command: &mut Command) -> Self {
        let mut process = command
            // Open for as long as we live: a stand-in ends when it is closed.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            let read = soon(
                "the program to say where it listens",
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

    /// `kill -9`. Returns when it is gone.
    pub async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }
}
