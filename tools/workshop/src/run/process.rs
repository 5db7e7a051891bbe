//! Runs a program with limits and captures its output: [`run_with_limits`].
//!
//! A test of concurrent code may wait for ever, and a wrong loop may print or collect without end.

use std::fs;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::child_group::ChildGroup;

/// How often the program's state is checked while it runs.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// How long the next part of the output may take after the program ended. A background process may
/// keep the pipe open for ever.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// How long all parts may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// How many bytes of each line are kept.
const LINE_LIMIT: usize = 1 << 10;
/// How many bytes a program may print, after its long lines were cut.
pub const OUTPUT_LIMIT: usize = 4 << 20;
/// How much memory a program may use. libtest keeps what tests print in its own memory. This limit
/// has no effect on systems without `/proc`.
pub const MEMORY_LIMIT: usize = 512 << 20;

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
    /// It was killed.
    Stopped(StopReason),
}

/// Why a program was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It reached the time limit.
    Time,
    /// It used more than [`MEMORY_LIMIT`].
    Memory,
    /// It printed more than [`OUTPUT_LIMIT`].
    Output,
    /// The caller cancelled the run.
    Cancelled,
}

impl StopReason {
    /// What the program did: `did not end within 60 s`.
    pub fn describe(self, time_limit: Duration) -> String {
        match self {
            StopReason::Time => format!("did not end within {} s", time_limit.as_secs()),
            StopReason::Memory => format!("used more than {} MiB of memory", MEMORY_LIMIT >> 20),
            StopReason::Output => format!("printed more than {} MiB", OUTPUT_LIMIT >> 20),
            StopReason::Cancelled => "were cancelled".to_owned(),
        }
    }
}

/// Runs a program until it ends, reaches a limit, or `is_cancelled` returns true.
///
/// `is_cancelled` is called again and again with the standard output so far.
pub fn run_with_limits(
    command: &mut Command,
    time_limit: Duration,
    is_cancelled: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<ProcessOutput> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = ChildGroup::spawn(command)?;
    let mut texts = [LimitedText::default(), LimitedText::default()];
    // A full channel makes the program wait, so it never prints faster than this can read.
    let (sender, chunks) = mpsc::sync_channel(16);
    send_chunks(
        child.stdout.take().expect("stdout is piped"),
        0,
        sender.clone(),
    );
    send_chunks(child.stderr.take().expect("stderr is piped"), 1, sender);
    let deadline = Instant::now() + time_limit;
    let receive = |texts: &mut [LimitedText; 2], timeout| {
        let received = chunks.recv_timeout(timeout);
        if let Ok((index, chunk)) = &received {
            texts[*index].push(chunk);
        }
        received.map(drop)
    };
    let end = loop {
        if let Some(status) = child.try_wait()? {
            let (success, status) = (status.success(), status.to_string());
            break ProcessEnd::Exited { success, status };
        }
        let reason = if Instant::now() >= deadline {
            Some(StopReason::Time)
        } else if texts.iter().any(LimitedText::is_endless) {
            Some(StopReason::Output)
        } else if memory_of(child.id()) > MEMORY_LIMIT {
            Some(StopReason::Memory)
        } else {
            is_cancelled(&texts[0].bytes).then_some(StopReason::Cancelled)
        };
        if let Some(reason) = reason {
            break ProcessEnd::Stopped(reason);
        }
        if receive(&mut texts, POLL_INTERVAL) == Err(RecvTimeoutError::Disconnected) {
            // A program may close its output before it ends.
            thread::sleep(Duration::from_millis(1));
        }
    };
    drop(child);
    let deadline = Instant::now() + DRAIN_DEADLINE;
    while Instant::now() < deadline && receive(&mut texts, DRAIN_TIMEOUT).is_ok() {}
    let [stdout, stderr] = texts.map(|text| String::from_utf8_lossy(&text.bytes).into_owned());
    Ok(ProcessOutput {
        stdout,
        stderr,
        end,
    })
}

/// Sends the output of a pipe, with a number that names the pipe.
fn send_chunks(
    mut pipe: impl Read + Send + 'static,
    index: usize,
    sender: SyncSender<(usize, Vec<u8>)>,
) {
    thread::spawn(move || {
        let mut buffer = [0; 8 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(count @ 1..) if sender.send((index, buffer[..count].to_vec())).is_ok() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
    });
}

/// The memory in bytes that a process uses now.
fn memory_of(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.unwrap_or(0) << 10
}

/// Collects output. Cuts long lines, and drops what comes after [`OUTPUT_LIMIT`].
#[derive(Default)]
struct LimitedText {
    bytes: Vec<u8>,
    line_length: usize,
}

impl LimitedText {
    fn is_endless(&self) -> bool {
        self.bytes.len() > OUTPUT_LIMIT || self.line_length > MEMORY_LIMIT
    }

    fn push(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.bytes.len() > OUTPUT_LIMIT {
                return;
            }
            let room = LINE_LIMIT.saturating_sub(self.line_length);
            self.bytes.extend(&piece[..piece.len().min(room)]);
            self.line_length += piece.len();
            if piece.ends_with(b"\n") {
                if self.line_length > LINE_LIMIT {
                    let note = format!(" … (a line of {} bytes)\n", self.line_length - 1);
                    self.bytes.extend(note.as_bytes());
                }
                self.line_length = 0;
            }
        }
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
    use std::io::Write;

    use super::*;

    const MODE: &str = "WORKSHOP_PROCESS_TEST";

    /// The child process of the tests below: this test binary, which runs only this function.
    #[test]
    fn child_process() {
        match env::var(MODE).as_deref() {
            Ok("hang") => loop {
                thread::park();
            },
            Ok("print without end") => loop {
                let _ = writeln!(io::stdout(), "again");
            },
            Ok("collect without end") => {
                let mut numbers = vec![1_u64];
                loop {
                    numbers.push(numbers.len() as u64);
                }
            }
            Ok("long line") => println!("\n{}\nend", "x".repeat(100 << 20)),
            Ok("print") => (0..20_000).for_each(|number| println!("line {number}")),
            _ => {}
        }
    }

    fn run_child(
        mode: &str,
        limit: Duration,
        is_cancelled: &mut dyn FnMut(&[u8]) -> bool,
    ) -> ProcessOutput {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "run::process::tests::child_process",
                "--nocapture",
            ])
            .env(MODE, mode);
        run_with_limits(&mut command, limit, is_cancelled).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn timed_out_program_keeps_its_output() {
        let output = run_child("hang", Duration::from_secs(1), &mut |_| false);

        assert_eq!(output.end, ProcessEnd::Stopped(StopReason::Time));
        assert!(
            output.stdout.contains("running 1 test"),
            "{}",
            output.stdout
        );
    }

    #[test]
    fn cancelled_program_is_killed() {
        let output = run_child("hang", LONG, &mut |_| true);

        assert_eq!(output.end, ProcessEnd::Stopped(StopReason::Cancelled));
    }

    #[test]
    fn output_longer_than_pipe_buffer_is_complete() {
        let output = run_child("print", LONG, &mut |_| false);

        assert!(
            matches!(output.end, ProcessEnd::Exited { success: true, .. }),
            "{:?}",
            output.end
        );
        assert_eq!(output.stdout.matches("line ").count(), 20_000);
    }

    #[test]
    fn endless_output_is_stopped() {
        let output = run_child("print without end", LONG, &mut |_| false);

        assert_eq!(output.end, ProcessEnd::Stopped(StopReason::Output));
        assert!(output.stdout.len() < OUTPUT_LIMIT + LINE_LIMIT);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn endless_memory_is_stopped() {
        let output = run_child("collect without end", LONG, &mut |_| false);

        assert_eq!(output.end, ProcessEnd::Stopped(StopReason::Memory));
    }

    #[test]
    fn long_line_is_cut() {
        let output = run_child("long line", LONG, &mut |_| false);

        assert!(output.stdout.len() < 2 * LINE_LIMIT);
        let (line, end) = (" … (a line of 104857600 bytes)", "\nend\n");
        let is_complete = output.stdout.contains(line) && output.stdout.contains(end);
        assert!(is_complete, "{:?}", output.end);
    }
}
