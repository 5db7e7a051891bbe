//! The inner cargo: [`cargo`] is ready to be told what to do, and [`program`] runs one of the workshop's other programs.
//!
//! There are two, each of which takes a minute to build: the [`TESTBED`] starts the real servers, and contains clients for Docker, for
//! PostgreSQL and more; the [`BOOK`]'s contains mdBook. So each is a program of its own, which cargo builds when somebody first needs it.
//! Left out: looking whether it must be built, which cargo knows.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::Context;

use crate::machine::{self, Machine};
use crate::tally;

/// One of the workshop's programs that are not in this one.
#[derive(Debug)]
pub struct Program {
    package: &'static str,
    /// How it is called while it is built.
    name: &'static str,
}

/// Starts and removes the real servers, and gets their images.
pub const TESTBED: Program = Program {
    package: "testbed",
    name: "the testbed",
};

/// Opens the book, and sees to it that it tells the truth.
pub const BOOK: Program = Program {
    package: "book",
    name: "the book's tools",
};

/// A cargo that behaves as if the learner had started it.
pub fn cargo(machine: &Machine) -> Command {
    undescribed(&machine.cargo)
}

/// A command without the variables that describe this package.
pub(crate) fn undescribed(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if describes_this_package(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Variables with which `cargo run` describes *this* package. A build script that sees them change runs again, and
/// then the same tests would be built anew whenever somebody changes between `cargo test` and `cargo workshop test`.
fn describes_this_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Runs a program with these arguments, and passes on to `messages` what cargo and the program report. What the program answers goes to our
/// standard output if that is `Stdio::inherit()`, and is returned if it is `Stdio::piped()`.
pub fn program<A: AsRef<OsStr>>(
    machine: &Machine,
    program: &Program,
    arguments: &[A],
    stdout: Stdio,
    messages: &mut impl Write,
) -> anyhow::Result<(ExitStatus, String)> {
    let mut command = cargo(machine);
    // Not `--quiet`: who waits a minute wants to see why.
    command.args(["run", "--package", program.package]);
    // It writes into our pipe, so it has to be told.
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
        .with_context(|| format!("{} could not be run", machine.cargo.display()))?;
    let answer = child.stdout.take().map(machine::read_aside);
    let stderr = child.stderr.take().expect("it was asked for as a pipe");
    pass_on(stderr, program.name, messages)?;
    let answer = answer
        .and_then(|answer| answer.recv().ok())
        .unwrap_or_default();
    Ok((child.wait()?, answer))
}

/// Passes messages on as they come. Of cargo's only those that somebody has to see: that it builds, waits, or cannot.
fn pass_on(messages: impl Read, name: &str, output: &mut impl Write) -> io::Result<()> {
    let mut is_building = false;
    let mut is_running = false;
    for line in BufReader::new(messages).split(b'\n') {
        let line = line?;
        let text = tally::without_escapes(&String::from_utf8_lossy(&line));
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
    fn the_inner_cargo_is_not_told_about_this_package() {
        assert!(describes_this_package("CARGO_PKG_NAME"));
        assert!(describes_this_package("CARGO_MANIFEST_DIR"));
        assert!(
            !describes_this_package("CARGO_HOME"),
            "that one says where the registry is"
        );
        assert!(
            !describes_this_package("CARGO_TARGET_DIR"),
            "that one says where to build"
        );
    }

    fn passed_on(messages: &str) -> String {
        let mut output = Vec::new();
        pass_on(messages.as_bytes(), TESTBED.name, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_build_is_announced_once_and_shown() {
        let compiling =
            "\u{1b}[1m\u{1b}[92m   Compiling\u{1b}[0m libc v0.2.180\n   Compiling testbed v0.1.0\n";
        let messages = format!(
            "{compiling}    Finished `dev` profile in 58.11s\n     Running `target/debug/testbed up`\n"
        );
        assert_eq!(
            passed_on(&messages),
            format!("building the testbed (about a minute, once)…\n{compiling}")
        );
    }

    #[test]
    fn where_nothing_is_built_only_the_program_is_heard() {
        let messages = "    Finished `dev` profile in 0.11s\n     Running `target/debug/testbed images`\ntestbed: pulling redis:8.0\n";
        assert_eq!(passed_on(messages), "testbed: pulling redis:8.0\n");
    }

    #[test]
    fn what_the_program_says_is_not_taken_for_cargos() {
        let messages = "     Running `target/debug/testbed up`\nFinished too early\nRunning late\nCompiling nothing\n";
        assert_eq!(
            passed_on(messages),
            "Finished too early\nRunning late\nCompiling nothing\n"
        );
    }

    #[test]
    fn what_cargo_waits_for_or_complains_about_is_shown() {
        let messages =
            "    Blocking waiting for file lock on build directory\nerror: no matching package\n";
        assert_eq!(passed_on(messages), messages);
    }
}
