//! The program in its own process, as a person or a script starts it.

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

/// A store in its own process. Dropping the value kills the process.
pub struct Process {
    pub child: Child,
    output: BufReader<std::process::ChildStdout>,
    pub url: String,
    /// The temporary directory of the process. A killed process leaves files in it.
    _temporary: Option<tempfile::TempDir>,
}

impl Process {
    /// Starts an embedded store of 60 games.
    pub fn start(data_dir: &Path) -> Process {
        let mut command = program();
        command.args(["--listen", "127.0.0.1:0", "--games", "60", "--data-dir"]);
        command.arg(data_dir);
        Process::run(command, None)
    }

    /// Starts a store of 60 games in containers.
    pub fn in_containers() -> Process {
        let mut command = program();
        command.args([
            "serve",
            "--services",
            "docker",
            "--listen",
            "127.0.0.1:0",
            "--games",
            "60",
        ]);
        let temporary = tempfile::tempdir().unwrap();
        command.env("TMPDIR", temporary.path());
        Process::run(command, Some(temporary))
    }

    fn run(mut command: Command, temporary: Option<tempfile::TempDir>) -> Process {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        output.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "the first line must be the address, but it is {url:?}"
        );
        Process {
            child,
            output,
            url,
            _temporary: temporary,
        }
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// The printed lines after the address, up to the last line of the tour.
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
        signal(self.child.id(), name);
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

/// Sends a signal to a process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Runs every `curl` line of a tour, each in a new shell.
pub fn paste(tour: &[String]) {
    let commands: Vec<_> = tour
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert!(commands.len() >= 10, "{tour:#?}");
    let folder = tempfile::tempdir().unwrap();
    for command in commands {
        // With --fail, curl fails if the status is 400 or more.
        let checked = command.replacen(
            "curl ",
            "curl --fail --silent --show-error --noproxy '*' ",
            1,
        );
        let output = Command::new("sh")
            .args(["-c", &checked])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(
            output.status.success() && !out.is_empty(),
            "{command} failed; does this machine have curl 7.84 or later?\n{out}{err}"
        );
    }
}

/// Runs the program to its end and returns its output. A program that serves instead of ending is
/// stopped after [`DEADLINE`] and has the exit code 0.
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

/// Runs the program with a closed standard output. Returns its standard error.
pub fn run_with_closed_output(arguments: &[&str]) -> String {
    let mut command = program();
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

/// Asserts that the program failed with one short message that contains `expected`.
#[track_caller]
pub fn assert_rejected(output: &Output, expected: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success(),
        "the program did not fail: {message}"
    );
    assert!(
        message.contains(expected),
        "{message:?} does not contain {expected:?}"
    );
    assert!(
        !message.contains("panicked") && !message.contains("RUST_BACKTRACE"),
        "{message}"
    );
    assert!(
        message.lines().count() < 12,
        "the message is too long: {message}"
    );
}
