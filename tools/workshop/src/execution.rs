//! Runs a test program, for as long as it may: [`run`] keeps what it says and ends it after its limit.
//!
//! A test of concurrent code may wait for ever, and a person should not. Left out: the programs that a test has started itself; and
//! Ctrl-C, which reaches the test program by itself, for it is in the same group of processes.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use crate::cargo;
use crate::exercise::Exercise;
use crate::machine::Machine;

/// How often is looked whether it has to be ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How long is waited for the rest of what a program said that was ended. A process that it left behind may keep the pipe open for ever.
const REST: Duration = Duration::from_millis(500);

/// What came of running it.
#[derive(Debug)]
pub struct Run {
    /// Its standard output, where tests report.
    pub said: String,
    /// Its standard error.
    pub complained: String,
    /// How it ended.
    pub ending: Ending,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Exited {
        /// Whether it says that all went well (exit code 0).
        success: bool,
        /// In the system's words: `exit status: 101`, `signal: 6 (SIGABRT)`.
        how: String,
    },
    /// By us, for its time was over.
    OutOfTime,
    /// By us, for nobody wants to know any more.
    Stopped,
}

/// The command that runs an exercise's test program, as cargo would run it.
pub fn command(machine: &Machine, exercise: &Exercise, program: &Path) -> Command {
    let mut command = cargo::undescribed(program);
    let folder = exercise.folder();
    command
        .env("CARGO_MANIFEST_DIR", &folder)
        .env("CARGO_MANIFEST_PATH", folder.join("Cargo.toml"))
        .env("CARGO_PKG_NAME", &exercise.id)
        .env("CARGO", &machine.cargo)
        // We show where it failed; who wants to know how it came there runs `cargo test`.
        .env("RUST_BACKTRACE", "0")
        .env_remove("RUST_TEST_NOCAPTURE")
        .current_dir(folder)
        .args(["--color", "never", "--test-threads", &threads().to_string()]);
    command
}

/// How many tests run at once. The program is told, so that we know which of them were running when it was ended.
pub fn threads() -> usize {
    let wanted = std::env::var("RUST_TEST_THREADS")
        .ok()
        .and_then(|number| number.parse().ok());
    wanted
        .filter(|number| *number > 0)
        .unwrap_or_else(|| available_parallelism().map_or(1, usize::from))
}

/// Runs it to its end, or until `limit` is over, or until `stop` says so.
pub fn run(
    command: &mut Command,
    limit: Duration,
    stop: &mut dyn FnMut() -> bool,
) -> io::Result<Run> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut said = Heard::listen(child.stdout.take().expect("it was asked for as a pipe"));
    let mut complained = Heard::listen(child.stderr.take().expect("it was asked for as a pipe"));
    let ending = wait(&mut child, &mut said, Instant::now() + limit, stop)?;
    Ok(Run {
        said: said.text(),
        complained: complained.text(),
        ending,
    })
}

fn wait(
    child: &mut Child,
    said: &mut Heard,
    deadline: Instant,
    stop: &mut dyn FnMut() -> bool,
) -> io::Result<Ending> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ending::Exited {
                success: status.success(),
                how: status.to_string(),
            });
        }
        let ending = match () {
            () if Instant::now() >= deadline => Some(Ending::OutOfTime),
            () if stop() => Some(Ending::Stopped),
            () => None,
        };
        if let Some(ending) = ending {
            // If it cannot be ended, it has just ended by itself.
            let _ = child.kill();
            child.wait()?;
            return Ok(ending);
        }
        // Most often its output ends when it does, and nobody has to wait for a look at the clock.
        said.wait(PAUSE);
    }
}

/// What comes out of a pipe, as far as it has come.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
    has_ended: bool,
}

impl Heard {
    fn listen(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (done, end) = mpsc::channel();
        let heard = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut buffer = [0; 8 * 1024];
            loop {
                match pipe.read(&mut buffer) {
                    Ok(count @ 1..) => heard
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&buffer[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => break,
                }
            }
            let _ = done.send(());
        });
        Heard {
            bytes,
            end,
            has_ended: false,
        }
    }

    fn wait(&mut self, time: Duration) {
        if self.has_ended {
            // A process may close its output and live on.
            thread::sleep(time.min(Duration::from_millis(1)));
        } else if self.end.recv_timeout(time) != Err(mpsc::RecvTimeoutError::Timeout) {
            self.has_ended = true;
        }
    }

    fn text(&mut self) -> String {
        self.wait(REST);
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The names of all tests in a program, in the order in which it runs them.
pub fn names(machine: &Machine, exercise: &Exercise, program: &Path) -> Vec<String> {
    let mut command = command(machine, exercise, program);
    command.args(["--list", "--format", "terse"]);
    let listing = run(&mut command, machine.patience, &mut || false);
    let said = listing.map(|run| run.said).unwrap_or_default();
    said.lines()
        .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const BEHAVIOUR: &str = "WORKSHOP_EXECUTION_BEHAVIOUR";

    /// Not a test of anything, but the program that the tests below run: this same binary, started once more to run only this function.
    #[test]
    fn stand_in() {
        match env::var(BEHAVIOUR).as_deref() {
            Ok("hang") => loop {
                thread::park();
            },
            Ok("talk") => (0..20_000).for_each(|number| println!("line {number}")),
            _ => {}
        }
    }

    fn run_stand_in(behaviour: &str, limit: Duration, stop: &mut dyn FnMut() -> bool) -> Run {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "execution::tests::stand_in", "--nocapture"])
            .env(BEHAVIOUR, behaviour);
        run(&mut command, limit, stop).unwrap()
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn a_program_that_never_ends_is_ended_and_what_it_said_is_kept() {
        let run = run_stand_in("hang", Duration::from_secs(1), &mut || false);

        assert_eq!(run.ending, Ending::OutOfTime);
        assert!(run.said.contains("running 1 test"), "{}", run.said);
    }

    #[test]
    fn a_program_of_which_nobody_wants_to_know_is_ended() {
        let run = run_stand_in("hang", LONG, &mut || true);

        assert_eq!(run.ending, Ending::Stopped);
    }

    #[test]
    fn what_is_longer_than_a_pipe_arrives_whole() {
        let run = run_stand_in("talk", LONG, &mut || false);

        assert!(
            matches!(run.ending, Ending::Exited { success: true, .. }),
            "{:?}",
            run.ending
        );
        assert_eq!(run.said.matches("line ").count(), 20_000);
    }
}
