//! `cargo workshop book`, `book-lint` and `book-output`, which run the program in `tools/book`.
//!
//! That program contains mdBook, so cargo builds it when it is first needed.

use std::process::ExitCode;

use crate::app::App;
use crate::run::cargo;
use crate::run::machine::Machine;

/// The arguments of `cargo workshop book-output`.
#[derive(Debug, Default, clap::Args)]
pub struct BookOutputOptions {
    /// Changes nothing, and fails if the book differs from what the commands print today
    #[arg(long)]
    check: bool,
    /// Only these recordings, such as `load`. The default is all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Builds the book in cargo's target folder and opens it in a browser.
pub fn open(app: &App) -> anyhow::Result<ExitCode> {
    let folder = app.target_dir.join("book").display().to_string();
    run(&app.machine, &["open", &folder])
}

/// Checks the book's links, includes and names.
pub fn lint(app: &App) -> anyhow::Result<ExitCode> {
    run(&app.machine, &["lint"])
}

/// Records the terminal sessions in the book again.
pub fn output(app: &App, options: &BookOutputOptions) -> anyhow::Result<ExitCode> {
    run(&app.machine, &output_arguments(options))
}

fn output_arguments(options: &BookOutputOptions) -> Vec<&str> {
    let check = options.check.then_some("--check");
    let names = options.names.iter().map(String::as_str);
    ["output"].into_iter().chain(check).chain(names).collect()
}

/// Runs the book's program and returns its exit code.
fn run(machine: &Machine, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    cargo::run_helper(machine, &cargo::BOOK, arguments)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::app::fixture::TempCheckout;
    use crate::run::machine::fake::FakeMachine;

    #[test]
    fn exit_code_of_the_book_program_is_returned() {
        let fake = FakeMachine::new();
        fake.program("cargo", "exit 3");

        let check = BookOutputOptions {
            check: true,
            names: vec!["load".to_owned(), "ch01".to_owned()],
        };
        for (arguments, line) in [
            (vec!["lint"], "lint"),
            (output_arguments(&check), "output --check load ch01"),
            (output_arguments(&BookOutputOptions::default()), "output"),
        ] {
            assert_eq!(run(&fake.machine(), &arguments).unwrap(), ExitCode::from(3));
            assert_eq!(
                fake.calls(),
                [format!("cargo run --package book -- {line}")]
            );
        }
    }

    #[test]
    fn book_is_built_in_the_target_folder() {
        let fake = FakeMachine::new();
        fake.program("cargo", "");
        let app = App {
            machine: fake.machine(),
            target_dir: "/elsewhere".into(),
            ..TempCheckout::new().app()
        };

        open(&app).unwrap();

        let call = "cargo run --package book -- open /elsewhere/book";
        assert_eq!(fake.calls(), [call]);
    }
}
