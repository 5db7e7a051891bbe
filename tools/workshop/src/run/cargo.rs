//! Runs cargo as if the learner had started it, and the workshop's helper programs.
//!
//! A helper program takes about a minute to build: [`TESTBED`] contains clients for Docker,
//! PostgreSQL and more, and [`BOOK`] contains mdBook. So each is a program of its own, and cargo
//! builds it when a command first needs it.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::Context;

use super::machine::Machine;
use super::process;
use crate::terminal::text::strip_escapes;

/// A program of the workshop that is a package of its own.
#[derive(Debug)]
pub struct HelperProgram {
    package: &'static str,
    /// The name in messages.
    name: &'static str,
}

/// Starts and removes the real servers, and gets their images.
pub const TESTBED: HelperProgram = HelperProgram {
    package: "testbed",
    name: "the testbed",
};

/// Builds, opens and checks the book.
pub const BOOK: HelperProgram = HelperProgram {
    package: "book",
    name: "the book's tools",
};

/// A cargo command.
pub fn cargo_command(machine: &Machine) -> Command {
    command_without_package_variables(&machine.cargo)
}

/// A command without the environment variables that describe this package.
pub fn command_without_package_variables(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if is_package_variable(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether `cargo run` describes *this* package with the variable.
///
/// A build script that sees such a variable change runs again. Then `cargo test` and
/// `cargo workshop test` would rebuild each other's tests.
fn is_package_variable(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Runs a helper program with inherited output, and returns its exit code.
pub fn run_helper<A: AsRef<OsStr>>(
    machine: &Machine,
    helper: &HelperProgram,
    arguments: &[A],
) -> anyhow::Result<ExitCode> {
    let stdout = Stdio::inherit();
    let (status, _) = run_helper_with(machine, helper, arguments, stdout, &mut io::stderr())?;
    // A program that a signal ended has no exit code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Runs a helper program. Cargo's and the program's standard error goes to `messages`. The standard
/// output is returned if `stdout` is `Stdio::piped()`.
pub fn run_helper_with<A: AsRef<OsStr>>(
    machine: &Machine,
    helper: &HelperProgram,
    arguments: &[A],
    stdout: Stdio,
    messages: &mut impl Write,
) -> anyhow::Result<(ExitStatus, String)> {
    let mut command = cargo_command(machine);
    // Without `--quiet`, so that a learner sees the progress of the build.
    command.args(["run", "--package", helper.package]);
    // Cargo writes into our pipe, so it cannot detect the terminal.
    if machine.colour.stderr {
        command.args(["--color", "always"]);
    }
    command
        .arg("--")
        .args(arguments)
        .stdout(stdout)
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {}", machine.cargo.display()))?;
    let stdout = child.stdout.take().map(process::read_in_background);
    let stderr = child.stderr.take().expect("stderr is piped");
    forward_messages(stderr, helper.name, messages)?;
    let stdout = stdout.and_then(|thread| thread.join().ok());
    Ok((child.wait()?, stdout.unwrap_or_default()))
}

/// Forwards messages at once, without cargo's `Finished` and `Running`.
fn forward_messages(stderr: impl Read, name: &str, output: &mut impl Write) -> io::Result<()> {
    let mut is_building = false;
    let mut is_running = false;
    for line in BufReader::new(stderr).split(b'\n') {
        let line = line?;
        let text = strip_escapes(&String::from_utf8_lossy(&line));
        let text = text.trim_start();
        if !is_running {
            is_running = text.starts_with("Running ");
            if is_running || text.starts_with("Finished ") {
                continue;
            }
            if !is_building && text.starts_with("Compiling ") {
                is_building = true;
                writeln!(output, "building {name} (about a minute, once)…")?;
            }
        }
        output.write_all(&line)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_variables_are_hidden_from_cargo() {
        assert!(is_package_variable("CARGO_PKG_NAME"));
        assert!(is_package_variable("CARGO_MANIFEST_DIR"));
        assert!(
            !is_package_variable("CARGO_HOME"),
            "CARGO_HOME says where the registry is"
        );
        assert!(
            !is_package_variable("CARGO_TARGET_DIR"),
            "CARGO_TARGET_DIR says where to build"
        );
    }

    fn forwarded(messages: &str) -> String {
        let mut output = Vec::new();
        forward_messages(messages.as_bytes(), TESTBED.name, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn build_is_announced_once_and_shown() {
        let compiling =
            "\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m libc v0.2.180\n   Compiling testbed v0.1.0\n";
        let messages = format!(
            "{compiling}    Finished `dev` profile in 58.11s\n     Running `target/debug/testbed up`\n"
        );
        assert_eq!(
            forwarded(&messages),
            format!("building the testbed (about a minute, once)…\n{compiling}")
        );
    }

    #[test]
    fn without_a_build_only_the_program_reports() {
        let messages = "    Finished `dev` profile in 0.11s\n     Running `target/debug/testbed images`\ntestbed: pulling redis:8.0\n";
        assert_eq!(forwarded(messages), "testbed: pulling redis:8.0\n");
    }

    #[test]
    fn messages_of_the_program_are_kept() {
        let messages = "     Running `target/debug/testbed up`\nFinished too early\nRunning late\nCompiling nothing\n";
        assert_eq!(
            forwarded(messages),
            "Finished too early\nRunning late\nCompiling nothing\n"
        );
    }

    #[test]
    fn errors_and_waiting_of_cargo_are_shown() {
        let messages =
            "    Blocking waiting for file lock on build directory\nerror: no matching package\n";
        assert_eq!(forwarded(messages), messages);
    }
}
