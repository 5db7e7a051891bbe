//! Runs a program with a time limit and captures its output: [`run_with_limit`].
//!
//! A test of concurrent code may wait for ever. Ctrl-C reaches the program by itself, because it
//! is in the same process group.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the program's state is checked while it runs.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long the rest of the output may take after the program ended. A background process may
/// keep the pipe open for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The result of running a program.
#[derive(Debug)]
pub struct ProcessOutput {
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
    /// How the program ended.
    pub end: ProcessEnd,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// It exited by itself, or another process killed it.
    Exited {
        /// Whether the exit code is 0.
        success: bool,
        /// The system's description: `exit status: 101`, `signal: 6 (SIGABRT)`.
        status: String,
    },
    /// It reached the time limit and was killed.
    TimedOut,
    /// The caller cancelled the run, and the program was killed.
    Cancelled,
}

/// Runs a program until it ends, reaches `limit`, or `is_cancelled` returns true.
pub fn run_with_limit(
    command: &mut Command,
    limit: Duration,
    is_cancelled: &mut dyn FnMut() -> bool,
) -> io::Result<ProcessOutput> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdout = PipeReader::start(child.stdout.take().expect("stdout is piped"));
    let stderr = PipeReader::start(child.stderr.take().expect("stderr is piped"));
    let end = wait(
        &mut child,
        &mut stdout,
        Instant::now() + limit,
        is_cancelled,
    )?;
    Ok(ProcessOutput {
        stdout: stdout.finish(),
        stderr: stderr.finish(),
        end,
    })
}

fn wait(
    child: &mut Child,
    stdout: &mut PipeReader,
    deadline: Instant,
    is_cancelled: &mut dyn FnMut() -> bool,
) -> io::Result<ProcessEnd> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(ProcessEnd::Exited {
                success: status.success(),
                status: status.to_string(),
            });
        }
        let end = if Instant::now() >= deadline {
            Some(ProcessEnd::TimedOut)
        } else if is_cancelled() {
            Some(ProcessEnd::Cancelled)
        } else {
            None
        };
        if let Some(end) = end {
            // Killing fails only if the program has just ended by itself.
            let _ = child.kill();
            child.wait()?;
            return Ok(end);
        }
        stdout.read_for(POLL_INTERVAL);
    }
}

/// Collects the output of a pipe, which a thread of its own reads.
struct PipeReader {
    chunks: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    is_open: bool,
}

impl PipeReader {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let (sender, chunks) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(count @ 1..) if sender.send(buffer[..count].to_vec()).is_ok() => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
        });
        PipeReader {
            chunks,
            bytes: Vec::new(),
            is_open: true,
        }
    }

    /// Reads the next chunk. Returns after `timeout` at the latest.
    fn read_for(&mut self, timeout: Duration) {
        if !self.is_open {
            // A program may close its output before it ends.
            thread::sleep(timeout.min(Duration::from_millis(1)));
            return;
        }
        match self.chunks.recv_timeout(timeout) {
            Ok(chunk) => self.bytes.extend(chunk),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.is_open = false,
        }
    }

    fn finish(mut self) -> String {
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while self.is_open && Instant::now() < deadline {
            self.read_for(deadline.saturating_duration_since(Instant::now()));
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Reads a pipe to its end on a thread of its own.
pub fn read_in_background(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // The bytes before a read error are still output of the program.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const MODE: &str = "WORKSHOP_PROCESS_TEST";

    /// The child process of the tests below: this test binary, which runs only this function.
    #[test]
    fn child_process() {
        match env::var(MODE).as_deref() {
            Ok("hang") => loop {
                thread::park();
            },
            Ok("print") => (0..20_000).for_each(|number| println!("line {number}")),
            _ => {}
        }
    }

    fn run_child(
        mode: &str,
        limit: Duration,
        is_cancelled: &mut dyn FnMut() -> bool,
    ) -> ProcessOutput {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "run::process::tests::child_process",
                "--nocapture",
            ])
            .env(MODE, mode);
        run_with_limit(&mut command, limit, is_cancelled).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn timed_out_program_keeps_its_output() {
        let output = run_child("hang", Duration::from_secs(1), &mut || false);

        assert_eq!(output.end, ProcessEnd::TimedOut);
        assert!(
            output.stdout.contains("running 1 test"),
            "{}",
            output.stdout
        );
    }

    #[test]
    fn cancelled_program_is_killed() {
        let output = run_child("hang", LONG, &mut || true);

        assert_eq!(output.end, ProcessEnd::Cancelled);
    }

    #[test]
    fn output_longer_than_pipe_buffer_is_complete() {
        let output = run_child("print", LONG, &mut || false);

        assert!(
            matches!(output.end, ProcessEnd::Exited { success: true, .. }),
            "{:?}",
            output.end
        );
        assert_eq!(output.stdout.matches("line ").count(), 20_000);
    }
}
