//! The program behind `cargo workshop book`, `book-lint` and `book-output`: it reads the command line and hands over to the library.

use std::path::PathBuf;
use std::process::ExitCode;

use book::repository::Repository;
use book::{lint, open, output};
use clap::{Args, Parser};

/// The workshop's book.
#[derive(Parser)]
#[command(name = "book", disable_help_subcommand = true)]
enum Command {
    /// Finds what has rotted in the book, and tells what to do about it
    Lint {
        /// The book's folder, the one with `book.toml`; the folder around it counts as the repository [default: this repository's]
        dir: Option<PathBuf>,
    },
    /// Runs again the commands whose terminal sessions the book shows, and writes what they print
    Output(Output),
    /// Builds the book and opens it in a browser
    Open,
}

#[derive(Args)]
struct Output {
    /// Write nothing; fail if the book shows anything else than what the commands print
    #[arg(long)]
    check: bool,
    /// The book's folder [default: this repository's]
    #[arg(long, value_name = "DIR")]
    book: Option<PathBuf>,
    /// Only these sessions, such as `inspect` or `inspect.txt` [default: all of them]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    let repository = |dir: Option<PathBuf>| dir.map_or_else(Repository::here, Repository::of_book);
    let done = match Command::parse() {
        Command::Lint { dir } => lint::run(&repository(dir)),
        Command::Output(Output { check, book, names }) => {
            output::run(&repository(book), &names, check)
        }
        Command::Open => open::run(&Repository::here()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
