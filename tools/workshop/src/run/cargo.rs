//! Runs cargo as if the learner had started it, and the workshop's helper programs.
//!
//! A helper program takes about a minute to build: [`TESTBED`] contains clients for Docker,
//! PostgreSQL and more, and [`BOOK`] contains mdBook. So each is a program of its own, and cargo
//! builds it when a command first needs it.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::Context;

use super::build_progress::{self, BuildProgress};
use super::child_group::ChildGroup;
use super::machine::Machine;
use super::process;
use crate::terminal::text::strip_escapes;

/// A program of the workshop that is a package of its own.
#[derive(Debug)]
pub struct HelperProgram {
    package: &'static str,
    /// What the learner reads while cargo builds it.
    build: &'static str,
}

/// Starts and removes the real servers, and gets their images.
pub const TESTBED: HelperProgram = HelperProgram {
    package: "testbed",
    build: "building the testbed (once, about a minute)",
};

/// Builds, opens and checks the book.
pub const BOOK: HelperProgram = HelperProgram {
    package: "book",
    build: "building the book's tools (once, about a minute)",
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
    messages: &mut dyn Write,
) -> anyhow::Result<(ExitStatus, String)> {
    let mut command = cargo_command(machine);
    // Without `--quiet`, because its messages become the status line.
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
    let mut child = ChildGroup::spawn(command.stdin(Stdio::null()))
        .with_context(|| format!("cannot run {}", machine.cargo.display()))?;
    let stdout = child.stdout.take().map(process::read_in_background);
    let stderr = child.stderr.take().expect("stderr is piped");
    forward_messages(stderr, helper.build, machine.is_terminal, messages)?;
    let stdout = stdout.and_then(|thread| thread.join().ok());
    Ok((child.wait()?, stdout.unwrap_or_default()))
}

/// Forwards messages at once. Cargo's own messages become a status line.
fn forward_messages(
    stderr: impl Read,
    name: &str,
    is_terminal: bool,
    messages: &mut dyn Write,
) -> io::Result<()> {
    let mut lines = build_progress::lines(stderr);
    let mut progress = BuildProgress::new(name, |_| false, messages, is_terminal);
    let mut errors = String::new();
    for line in &mut lines {
        let line = line?;
        if strip_escapes(&line).trim_start().starts_with("Running ") {
            break;
        }
        if !progress.read(&line)? {
            errors += &(line + "\n");
        }
    }
    drop(progress);
    messages.write_all(errors.as_bytes())?;
    messages.flush()?;
    for line in lines {
        writeln!(messages, "{}", line?)?;
        messages.flush()?;
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
        forward_messages(messages.as_bytes(), TESTBED.build, false, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn build_is_one_line() {
        let messages = "   Compiling libc v0.2.180\n   Compiling testbed v0.1.0\n    \
            Finished `dev` profile in 58.11s\n     Running `target/debug/testbed up`\n";
        assert_eq!(
            forwarded(messages),
            "building the testbed (once, about a minute)…\n"
        );
    }

    #[test]
    fn messages_of_the_program_are_kept() {
        let program = "Finished too early\nRunning late\n   Compiling nothing\n\n";
        let messages = format!("    Finished `dev` profile\n     Running `testbed up`\n{program}");
        assert_eq!(forwarded(&messages), program);
    }

    #[test]
    fn errors_and_waiting_of_cargo_are_shown() {
        let messages =
            "    Blocking waiting for file lock on build directory\nerror: no matching package\n";
        assert_eq!(forwarded(messages), messages);
    }
}
