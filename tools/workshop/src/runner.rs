//! Runs a command and reads along: [`run`] passes the output through as it comes and keeps a [`Tally`] of it.
//!
//! Only the standard output goes through here, for that is where tests report. The standard error, with cargo's own
//! messages and its progress bar, stays the caller's, so cargo itself sees whether it is a terminal. There is no shell, and
//! hence no quoting, and nothing that differs between systems.
//!
//! Left out: interrupting, for Ctrl-C reaches cargo by itself; and processes that a test leaves behind. They keep the pipe
//! open, and this waits for them, just as `cargo test | cat` does.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use crate::tally::Tally;

/// How a command ended, and what was counted on the way.
#[derive(Debug)]
pub struct Outcome {
    /// The tests.
    pub tally: Tally,
    /// Whether the command itself says that all is well (exit code 0).
    pub succeeded: bool,
    /// How it ended, in the system's words: `exit status: 101`, `signal: 9 (SIGKILL)`.
    pub ending: String,
}

/// Runs `command` to its end and copies its standard output to `output`, byte by byte as it comes.
///
/// # Errors
/// If the command cannot be started, or if `output` takes no more (as in `cargo workshop test | head`); then the command
/// is ended too.
pub fn run(command: &mut Command, output: &mut impl Write) -> io::Result<Outcome> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut stdout = child
        .stdout
        .take()
        .expect("the standard output was asked for as a pipe");

    let tally = match pass_through(&mut stdout, output) {
        Ok(tally) => tally,
        Err(error) => {
            // Whoever was reading has gone, and so has the reason to go on. That error is the one to tell.
            let _ = child.kill();
            let _ = child.wait();
            return Err(error);
        }
    };

    let status = child.wait()?;
    Ok(Outcome {
        tally,
        succeeded: status.success(),
        ending: status.to_string(),
    })
}

fn pass_through(from: &mut impl Read, to: &mut impl Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    let mut buffer = [0; 8 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // First through, then read: `test a_slow_one ... ` must be seen while the test is running, not with its "ok".
        to.write_all(&buffer[..count])?;
        to.flush()?;
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                tally.read_line(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    tally.read_line(&String::from_utf8_lossy(&line));
    if !line.is_empty() {
        // What comes after begins on a line of its own.
        to.write_all(b"\n")?;
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const BEHAVIOUR: &str = "WORKSHOP_STAND_IN_BEHAVIOUR";

    /// Not a test of anything, but the test that the tests below run: this same binary, started once more to run only this
    /// function. So what the runner reads is what a real test binary prints. Without the variable it does nothing.
    #[test]
    fn stand_in() {
        match env::var(BEHAVIOUR).as_deref() {
            Ok("panic") => panic!("on purpose"),
            Ok("exit quietly") => std::process::exit(0),
            Ok("abort") => std::process::abort(),
            _ => {}
        }
    }

    fn run_stand_in(behaviour: &str, arguments: &[&str]) -> (Outcome, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "runner::tests::stand_in"])
            .args(arguments)
            .env(BEHAVIOUR, behaviour)
            .env("TERM", "xterm")
            .stderr(Stdio::null());
        let mut output = Vec::new();
        let outcome = run(&mut command, &mut output).unwrap();
        (outcome, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_passing_binary_is_counted_and_its_output_passed_on() {
        let (outcome, output) = run_stand_in("pass", &[]);

        assert!(outcome.succeeded, "{}", outcome.ending);
        assert_eq!(
            (outcome.tally.passed, outcome.tally.failed),
            (1, 0),
            "{output}"
        );
        assert!(
            output.contains("test runner::tests::stand_in ... ok"),
            "{output}"
        );
    }

    #[test]
    fn a_failing_binary_is_counted() {
        let (outcome, output) = run_stand_in("panic", &[]);

        assert!(!outcome.succeeded);
        assert_eq!(
            (outcome.tally.passed, outcome.tally.failed),
            (0, 1),
            "{output}"
        );
        assert_eq!(outcome.tally.unfinished(), 0);
    }

    #[test]
    fn a_coloured_result_is_counted_and_stays_coloured() {
        let (outcome, output) = run_stand_in("pass", &["--color", "always"]);

        assert_eq!(outcome.tally.passed, 1, "{output:?}");
        assert!(
            output.contains('\u{1b}'),
            "the colours are gone: {output:?}"
        );
    }

    #[test]
    fn a_binary_that_crashes_is_unfinished() {
        let (outcome, output) = run_stand_in("abort", &[]);

        assert!(!outcome.succeeded);
        assert_eq!(outcome.tally.unfinished(), 1, "{output}");
    }

    #[test]
    fn a_test_that_ends_the_process_with_success_is_unfinished_all_the_same() {
        let (outcome, output) = run_stand_in("exit quietly", &[]);

        assert!(
            outcome.succeeded,
            "cargo, too, would take this for a success"
        );
        assert_eq!(
            (outcome.tally.passed, outcome.tally.unfinished()),
            (0, 1),
            "{output}"
        );
    }

    #[test]
    fn a_command_that_does_not_exist_is_an_error() {
        let mut command = Command::new("no-such-program-anywhere");

        assert!(run(&mut command, &mut Vec::new()).is_err());
    }

    /// Gives its bytes one by one, as a slow pipe may.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn every_byte_passes_unchanged_however_the_pipe_cuts_it() {
        let text = b"running 2 tests\n\xff not UTF-8\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";

        let mut output = Vec::new();
        let tally = pass_through(&mut Drip(text), &mut output).unwrap();

        assert_eq!(output, text);
        assert_eq!(tally.passed, 2);
    }

    #[test]
    fn what_follows_begins_on_a_new_line() {
        let mut output = Vec::new();
        pass_through(&mut Drip(b"cut off"), &mut output).unwrap();
        assert_eq!(output, b"cut off\n");
    }
}
