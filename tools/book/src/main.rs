//! The program behind `cargo workshop book`, `book-lint` and `book-output`. It parses the command
//! line and calls the library.

use std::path::PathBuf;
use std::process::ExitCode;

use book::repository::Repository;
use book::{lint, open, output};
use clap::{Args, Parser};

/// The workshop's book.
#[derive(Parser)]
#[command(name = "book", disable_help_subcommand = true)]
enum Command {
    /// Find outdated names, dead links and empty code blocks in the book
    Lint {
        /// The book's folder, which holds `book.toml`. Its parent folder is the repository
        /// [default: this repository's book]
        dir: Option<PathBuf>,
    },
    /// Run the commands of the recorded terminal sessions, and write their output into the book
    Output(OutputArguments),
    /// Build the book and open it in a browser
    Open {
        /// Where to build it
        folder: PathBuf,
    },
}

#[derive(Args)]
struct OutputArguments {
    /// Write nothing; fail if the book differs from the commands' output
    #[arg(long)]
    check: bool,
    /// The book's folder [default: this repository's book]
    #[arg(long, value_name = "DIR")]
    book: Option<PathBuf>,
    /// The sessions to run, such as `inspect` or `inspect.txt` [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> ExitCode {
    let repository =
        |dir: Option<PathBuf>| dir.map_or_else(Repository::current, Repository::around_book);
    let done = match Command::parse() {
        Command::Lint { dir } => lint::run(&repository(dir)),
        Command::Output(OutputArguments { check, book, names }) => {
            output::run(&repository(book), &names, check)
        }
        Command::Open { folder } => open::run(&Repository::current(), &folder),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
