//! `cargo workshop book`, `book-lint` and `book-output`, which run the program in `tools/book`.
//!
//! That program contains mdBook, so cargo builds it when it is first needed.

use std::process::ExitCode;

use crate::app::App;
use crate::run::cargo;

/// Builds the book in cargo's target folder and opens it in a browser.
pub fn open(app: &App) -> anyhow::Result<ExitCode> {
    let folder = app.target_dir.join("book").display().to_string();
    run(app, &["open", &folder])
}

/// Checks the book's links, includes and names.
pub fn lint(app: &App) -> anyhow::Result<ExitCode> {
    run(app, &["lint"])
}

/// Records the terminal sessions in the book again, or only compares them.
pub fn output(app: &App, only_check: bool, names: &[String]) -> anyhow::Result<ExitCode> {
    let check = only_check.then_some("--check");
    let names = names.iter().map(String::as_str);
    let arguments: Vec<&str> = ["output"].into_iter().chain(check).chain(names).collect();
    run(app, &arguments)
}

/// Runs the book's program and returns its exit code.
fn run(app: &App, arguments: &[&str]) -> anyhow::Result<ExitCode> {
    cargo::run_helper(&app.machine, &cargo::BOOK, arguments)
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
        let app = App {
            machine: fake.machine(),
            target_dir: "/elsewhere".into(),
            ..TempCheckout::new().app()
        };
        let names = ["load".to_owned(), "ch01".to_owned()];
        for result in [
            open(&app),
            lint(&app),
            output(&app, true, &names),
            output(&app, false, &[]),
        ] {
            assert_eq!(result.unwrap(), ExitCode::from(3));
        }
        let calls = [
            "cargo run --package book -- open /elsewhere/book",
            "cargo run --package book -- lint",
            "cargo run --package book -- output --check load ch01",
            "cargo run --package book -- output",
        ];
        assert_eq!(fake.calls(), calls);
    }
}
