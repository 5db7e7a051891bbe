//! `cargo workshop book`, `book-lint` and `book-output`: the book, by the program in `tools/book`.
//!
//! It contains mdBook, so it is built when it is first needed. Left out: everything that it does.

use std::io;
use std::process::{ExitCode, Stdio};

use crate::cargo;
use crate::machine::Machine;

/// The command line of `cargo workshop book-output`.
#[derive(Debug, Default, clap::Args)]
pub struct Output {
    /// Change nothing, and fail if a session in the book is not what the commands print today
    #[arg(long)]
    check: bool,
    /// Only these sessions, such as `load`; without any, all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Builds the book and opens it in a browser.
pub fn open() -> anyhow::Result<ExitCode> {
    run(&Machine::here(), &["open"])
}

/// Looks for what leads nowhere.
pub fn lint() -> anyhow::Result<ExitCode> {
    run(&Machine::here(), &["lint"])
}

/// Records the terminal sessions again.
pub fn output(options: &Output) -> anyhow::Result<ExitCode> {
    run(&Machine::here(), &output_arguments(options))
}

fn output_arguments(options: &Output) -> Vec<&str> {
    let check = options.check.then_some("--check");
    let names = options.names.iter().map(String::as_str);
    ["output"].into_iter().chain(check).chain(names).collect()
}

/// Runs the program and passes its exit code on.
fn run(machine: &Machine, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let (status, _) = cargo::program(
        machine,
        &cargo::BOOK,
        arguments,
        Stdio::inherit(),
        &mut io::stderr(),
    )?;
    // A signal has no code, and is no success.
    let code = status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1));
    Ok(ExitCode::from(code))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::fakes::Fakes;

    #[test]
    fn the_books_program_is_run_and_its_exit_code_passed_on() {
        let fakes = Fakes::new();
        fakes.program("cargo", "exit 3");

        let check = Output {
            check: true,
            names: vec!["load".to_owned(), "ch01".to_owned()],
        };
        for (arguments, line) in [
            (vec!["open"], "open"),
            (vec!["lint"], "lint"),
            (output_arguments(&check), "output --check load ch01"),
            (output_arguments(&Output::default()), "output"),
        ] {
            assert_eq!(
                run(&fakes.machine(), &arguments).unwrap(),
                ExitCode::from(3)
            );
            assert_eq!(
                fakes.calls(),
                [format!("cargo run --package book -- {line}")]
            );
        }
    }
}
