//! Runs a command with a time limit: [`RunningCommand::start`] starts it, and
//! [`RunningCommand::finish`] returns its output or the reason of its failure.
//!
//! The runner also ends the processes that the command started: cargo starts rustc and tests, a
//! demonstration starts clones. On Unix, each command has its own process group. The runner kills
//! the group when the command ends, at the time limit, and on Ctrl-C. On other systems, cargo ends
//! its children. Left out: cleanup if this process itself is killed.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;

/// How often the runner checks the command.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The time limit for reading the rest of the output after the command ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of output lines that an error message repeats.
const MAX_LAST_LINES: usize = 20;

/// A running command. Drop kills it.
#[derive(Debug)]
pub struct RunningCommand {
    /// The command's name in error messages.
    name: String,
    child: Child,
    started: Instant,
    limit: Duration,
    /// The lines of its standard output that are not yet taken, and the text taken so far.
    lines: Receiver<String>,
    printed: String,
    /// The last lines of standard output and standard error, in order.
    last: Arc<Mutex<VecDeque<String>>>,
}

impl RunningCommand {
    /// Starts a command. Its standard error, with cargo's progress, is copied to ours.
    pub fn start(
        command: &mut Command,
        name: &str,
        limit: Duration,
    ) -> anyhow::Result<RunningCommand> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        use_own_process_group(command);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| {
            format!("cannot start `{program}`; install it, or correct book/sessions.toml")
        })?;

        let last = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, lines) = mpsc::channel();
        // This sender only keeps the channel open until both outputs are closed.
        let open_sender = mpsc::Sender::clone(&sender);
        let output = child.stdout.take().expect("the output is a pipe");
        let errors = child.stderr.take().expect("the output is a pipe");
        let (last_of_output, last_of_errors) = (Arc::clone(&last), Arc::clone(&last));
        thread::spawn(move || {
            read_lines(output, &last_of_output, |line| {
                // The receiver is gone if the command is being ended.
                let _ = sender.send(line);
            });
        });
        thread::spawn(move || {
            read_lines(errors, &last_of_errors, |line| {
                let _ = io::stderr().write_all(line.as_bytes());
            });
            drop(open_sender);
        });
        Ok(RunningCommand {
            name: name.to_owned(),
            child,
            started: Instant::now(),
            limit,
            lines,
            printed: String::new(),
            last,
        })
    }

    /// Waits for the next line of the output, such as the address of a server.
    pub fn next_line(&mut self) -> anyhow::Result<String> {
        loop {
            match self.lines.recv_timeout(POLL_INTERVAL) {
                Ok(line) => return Ok(line.trim_end().to_owned()),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "`{}` ended too early; its last output:\n{}",
                        self.name,
                        self.last_lines()
                    )
                }
                Err(RecvTimeoutError::Timeout) => self.check_limits()?,
            }
        }
    }

    /// Waits until the command ends, and returns its output.
    pub fn finish(mut self) -> anyhow::Result<String> {
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            self.check_limits()?;
            match self.lines.recv_timeout(POLL_INTERVAL) {
                Ok(line) => self.printed.push_str(&line),
                Err(RecvTimeoutError::Timeout) => {}
                // The command closed its outputs but still runs.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(POLL_INTERVAL),
            }
        };
        // A process that is left in the group would keep the pipe open.
        kill_process_group_of(&mut self.child);
        while let Ok(line) = self.lines.recv_timeout(DRAIN_TIMEOUT) {
            self.printed.push_str(&line);
        }
        if status.success() {
            return Ok(std::mem::take(&mut self.printed));
        }
        bail!(
            "`{}` failed ({status}); its last output:\n{}",
            self.name,
            self.last_lines()
        )
    }

    fn check_limits(&mut self) -> anyhow::Result<()> {
        if is_interrupted() {
            bail!("interrupted");
        }
        if self.started.elapsed() < self.limit {
            return Ok(());
        }
        let seconds = self.limit.as_secs();
        let last = self.last_lines();
        bail!(
            "`{}` was still running after {seconds} s and was ended; its last output:\n{last}",
            self.name
        )
    }

    fn last_lines(&self) -> String {
        let last = self.last.lock();
        last.iter()
            .map(|line| format!("  | {line}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        kill_process_group_of(&mut self.child);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: impl Read, last: &Mutex<VecDeque<String>>, mut on_line: impl FnMut(String)) {
    let mut from = BufReader::new(from);
    let mut bytes = Vec::new();
    while from
        .read_until(b'\n', &mut bytes)
        .is_ok_and(|count| count > 0)
    {
        let line = String::from_utf8_lossy(&bytes).into_owned();
        let mut last = last.lock();
        if last.len() == MAX_LAST_LINES {
            last.pop_front();
        }
        last.push_back(line.trim_end().to_owned());
        drop(last);
        on_line(line);
        bytes.clear();
    }
}

#[cfg(unix)]
fn use_own_process_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

#[cfg(not(unix))]
fn use_own_process_group(_: &mut Command) {}

#[cfg(unix)]
fn kill_process_group_of(leader: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};

    // The call fails if the group has no process left.
    let _ = kill_process_group(Pid::from_child(leader), Signal::KILL);
}

#[cfg(not(unix))]
fn kill_process_group_of(_: &mut Child) {}

/// Whether the user asks this program to stop. Ctrl-C does not reach the other process groups, so
/// this program passes it on.
#[cfg(unix)]
pub fn is_interrupted() -> bool {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::TERM_SIGNALS;

    static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in TERM_SIGNALS {
            // Registration fails only for signals that a process cannot catch, such as SIGKILL.
            let _ = signal_hook::flag::register(*signal, Arc::clone(&flag));
        }
        flag
    });
    FLAG.load(Ordering::Relaxed)
}

/// Whether the user asks this program to stop. On this system, Ctrl-C ends every process of the
/// console.
#[cfg(not(unix))]
pub fn is_interrupted() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn cargo(arguments: &[&str], limit: Duration) -> anyhow::Result<String> {
        RunningCommand::start(Command::new(env!("CARGO")).args(arguments), "cargo", limit)?.finish()
    }

    #[test]
    fn finish_returns_the_output() {
        assert!(cargo(&["--version"], LONG).unwrap().starts_with("cargo 1."));
    }

    #[test]
    fn failure_message_repeats_the_last_lines() {
        let error = cargo(&["no-such-command"], LONG).unwrap_err().to_string();

        assert!(
            error.contains("failed (exit status: 101)")
                || error.contains("failed (exit code: 101)"),
            "{error}"
        );
        assert!(error.contains("  | error: no such command"), "{error}");
    }

    #[test]
    fn missing_program_is_named_in_the_error() {
        let mut command = Command::new("no-such-program-anywhere");

        let error = RunningCommand::start(&mut command, "x", LONG)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("cannot start `no-such-program-anywhere`"),
            "{error}"
        );
    }

    #[cfg(unix)]
    mod on_unix {
        use rustix::process::{Pid, test_kill_process};

        use super::*;

        fn sh(script: &str, limit: Duration) -> anyhow::Result<RunningCommand> {
            RunningCommand::start(Command::new("sh").args(["-c", script]), "sh", limit)
        }

        /// Waits until a process has ended. A zombie counts as ended.
        fn is_gone(pid: &str) -> bool {
            let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
            let deadline = Instant::now() + LONG;
            while Instant::now() < deadline {
                let is_zombie =
                    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
                        stat.rsplit(") ")
                            .next()
                            .is_some_and(|rest| rest.starts_with('Z'))
                    });
                if test_kill_process(pid).is_err() || is_zombie {
                    return true;
                }
                thread::yield_now();
            }
            false
        }

        #[test]
        fn timeout_ends_command_and_its_children() {
            let mut running = sh(
                "sleep 1000 & echo $!; echo on its way >&2; wait",
                Duration::from_millis(300),
            )
            .unwrap();
            let grandchild = running.next_line().unwrap();

            let error = running.finish().unwrap_err().to_string();

            assert!(
                error.contains("was still running after 0 s and was ended"),
                "{error}"
            );
            assert!(error.contains("  | on its way"), "{error}");
            assert!(
                is_gone(&grandchild),
                "process {grandchild} outlived the command that started it"
            );
        }

        #[test]
        fn remaining_children_end_with_the_command() {
            let printed = sh("sleep 1000 & echo $!", LONG).unwrap().finish().unwrap();

            assert!(
                is_gone(printed.trim()),
                "process {printed} outlived the command that started it"
            );
        }

        #[test]
        fn drop_ends_the_command() {
            let mut running = sh("echo $$; exec sleep 1000", LONG).unwrap();
            let pid = running.next_line().unwrap();

            drop(running);

            assert!(is_gone(&pid), "process {pid} is still there");
        }

        #[test]
        fn early_end_of_server_is_an_error() {
            let mut running = sh("echo no port >&2; exit 3", LONG).unwrap();

            let error = running.next_line().unwrap_err().to_string();
            assert!(error.contains("ended too early"), "{error}");
        }
    }
}
