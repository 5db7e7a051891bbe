//! The program in a process of its own, as a person or a script starts it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;

use crate::support::{Client, DEADLINE};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ch05-full"));
    command.stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

/// A store in a process of its own. Killed when dropped, so that no test leaves one behind.
pub struct Process {
    pub child: Child,
    output: BufReader<std::process::ChildStdout>,
    pub url: String,
}

impl Process {
    pub fn start(data_dir: &Path) -> Process {
        let mut child = program()
            .args(["--listen", "127.0.0.1:0", "--games", "60", "--data-dir"])
            .arg(data_dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        output.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "the first line is the address: {url:?}"
        );
        Process { child, output, url }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// The rest of what it printed, up to the last line of the tour.
    pub fn tour(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.output.read_line(&mut line).unwrap();
            lines.push(line.trim_end().to_owned());
            if line.starts_with("Ctrl-C") {
                return lines;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub fn stop(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end and returns what it said. One that should have refused to start but serves is stopped after a
/// while, and then has exit code 0.
pub fn run(arguments: &[&str]) -> Output {
    let child = program()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        if waiting.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").arg(pid).status();
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(done);
    guard.join().unwrap();
    output
}

/// Asserts that the program refuses to start, in one understandable message.
#[track_caller]
pub fn assert_refused(output: &Output, says: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it started: {message}");
    assert!(message.contains(says), "{message:?} does not say {says:?}");
    assert!(
        !message.contains("panicked") && !message.contains("RUST_BACKTRACE"),
        "{message}"
    );
    assert!(message.lines().count() < 12, "too long to be read: {message}");
}
