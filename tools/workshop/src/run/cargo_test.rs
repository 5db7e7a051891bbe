//! Runs `cargo test` and counts the tests: [`run`] forwards the output and reads it on the way.
//!
//! Only the standard output is piped, because tests report there. Cargo keeps the real standard
//! error, so it can detect the terminal. A process that a test leaves behind keeps the pipe open,
//! and this waits for it, as `cargo test | cat` does.

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};

use super::child_group::ChildGroup;
use super::test_counts::TestCounts;

/// The result of `cargo test`.
#[derive(Debug)]
pub struct CargoTestResult {
    /// The tests that were counted.
    pub counts: TestCounts,
    /// Whether cargo's exit code is 0.
    pub success: bool,
    /// The system's description: `exit status: 101`, `signal: 9 (SIGKILL)`.
    pub status: String,
}

/// Runs `command` to its end and copies its standard output to `output` at once.
///
/// # Errors
/// If the command cannot be started, or if writing to `output` fails, as in
/// `cargo workshop test | head`. In this case the command is killed.
pub fn run(command: &mut Command, output: &mut impl Write) -> io::Result<CargoTestResult> {
    let mut child = ChildGroup::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let counts = forward_and_count(&mut stdout, output)?;
    let status = child.wait()?;
    Ok(CargoTestResult {
        counts,
        success: status.success(),
        status: status.to_string(),
    })
}

fn forward_and_count(from: &mut impl Read, to: &mut impl Write) -> io::Result<TestCounts> {
    let mut counts = TestCounts::default();
    let mut line = Vec::new();
    let mut buffer = [0; 8 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // Before counting: `test slow_one ... ` has to be visible while the test runs.
        to.write_all(&buffer[..count])?;
        to.flush()?;
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                counts.read_line(&String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    counts.read_line(&String::from_utf8_lossy(&line));
    if !line.is_empty() {
        // The next output begins on a new line.
        to.write_all(b"\n")?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    const MODE: &str = "WORKSHOP_CARGO_TEST_MODE";

    /// The test that the tests below run: this test binary, started again for this function only.
    /// So the output is that of a real test binary.
    #[test]
    fn child_test() {
        match env::var(MODE).as_deref() {
            Ok("panic") => panic!("on purpose"),
            Ok("exit quietly") => std::process::exit(0),
            Ok("abort") => std::process::abort(),
            _ => {}
        }
    }

    fn run_child(mode: &str, arguments: &[&str]) -> (CargoTestResult, String) {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "run::cargo_test::tests::child_test"])
            .args(arguments)
            .env(MODE, mode)
            .env("TERM", "xterm")
            .stderr(Stdio::null());
        let mut output = Vec::new();
        let result = run(&mut command, &mut output).unwrap();
        (result, String::from_utf8(output).unwrap())
    }

    #[test]
    fn binaries_are_counted_and_shown() {
        // The exit code of `exit quietly` alone looks like a success.
        for (mode, success, counts) in [
            ("pass", true, [1, 0, 0, 1, 1]),
            ("panic", false, [0, 1, 0, 1, 1]),
            ("abort", false, [0, 0, 0, 1, 0]),
            ("exit quietly", true, [0, 0, 0, 1, 0]),
        ] {
            let (result, output) = run_child(mode, &[]);
            assert_eq!(result.success, success, "{mode}: {}", result.status);
            assert_eq!(result.counts, TestCounts::new(counts), "{mode}: {output}");
            assert!(output.contains("running 1 test"), "{mode}: {output}");
        }
    }

    #[test]
    fn coloured_result_is_counted_and_stays_coloured() {
        let (result, output) = run_child("pass", &["--color", "always"]);

        assert_eq!(result.counts.passed, 1, "{output:?}");
        assert!(output.contains('\u{1b}'), "the colours are gone");
    }

    #[test]
    fn missing_command_is_an_error() {
        let mut command = Command::new("no-such-program-anywhere");

        assert!(run(&mut command, &mut Vec::new()).is_err());
    }

    /// Returns one byte per read, as a slow pipe may.
    struct SlowReader<'a>(&'a [u8]);

    impl Read for SlowReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn bytes_are_unchanged_with_any_chunk_size() {
        let text = b"running 2 tests\n\xff not UTF-8\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";

        let mut output = Vec::new();
        let counts = forward_and_count(&mut SlowReader(text), &mut output).unwrap();

        assert_eq!(output, text);
        assert_eq!(counts.passed, 2);
    }

    #[test]
    fn output_ends_with_a_line_break() {
        let mut output = Vec::new();
        forward_and_count(&mut SlowReader(b"cut off"), &mut output).unwrap();
        assert_eq!(output, b"cut off\n");
    }
}
