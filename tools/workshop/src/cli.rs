//! The command line: [`Cli`] names every command, and hands over to the one that was typed.
//!
//! Left out: a command's own flags, which stand with it in [`commands`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;

/// The workshop's own command. Without a subcommand it says where you are and what is next.
#[derive(Parser)]
#[command(
    name = "workshop",
    bin_name = "cargo workshop",
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Lists all exercises, and how far you are
    List,
    /// Runs an exercise's tests, and tells what to do next
    Check(commands::check::Options),
    /// Checks whenever a file of the exercise is saved
    Watch(commands::check::Options),
    /// Shows the next of an exercise's three hints
    Hint(commands::hint::Options),
    /// Shows our solution beside yours, once it is solved
    Diff(commands::diff::Options),
    /// Puts an exercise's stub back, and keeps a copy of what you had
    Reset(commands::check::Options),
    /// Goes on without an exercise
    Skip(commands::check::Options),
    /// Builds the book and opens it in a browser
    Book,
    /// Tells what a learner needs, what of it is there, and what to do next
    Doctor(commands::doctor::Options),
    /// Starts the real servers that the tests share, and tells where they listen
    Up,
    /// Removes every container of the workshop
    Down,
    /// Gets the images of the servers
    Images(commands::servers::Images),
    /// Does the set-up that the tests need, runs every test of the repository, and counts them
    Test(commands::test::Options),
    /// For authors: proves that stubs are red, solutions green, and wrong answers rejected
    Verify(commands::verify::Options),
    /// For authors: looks for links, includes and pages of the book that lead nowhere
    BookLint,
    /// For authors: records the terminal sessions in the book again
    BookOutput(commands::book::Output),
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None => commands::welcome::run(),
            Some(Command::List) => commands::list::run(),
            Some(Command::Check(options)) => commands::check::run(&options),
            Some(Command::Watch(options)) => commands::watch::run(&options),
            Some(Command::Hint(options)) => commands::hint::run(&options),
            Some(Command::Diff(options)) => commands::diff::run(&options),
            Some(Command::Reset(options)) => commands::reset::run(&options),
            Some(Command::Skip(options)) => commands::skip::run(&options),
            Some(Command::Book) => commands::book::open(),
            Some(Command::Doctor(options)) => commands::doctor::run(&options),
            Some(Command::Up) => commands::servers::up(),
            Some(Command::Down) => commands::servers::down(),
            Some(Command::Images(options)) => commands::servers::images(&options),
            Some(Command::Test(options)) => commands::test::run(&options),
            Some(Command::Verify(options)) => commands::verify::run(&options),
            Some(Command::BookLint) => commands::book::lint(),
            Some(Command::BookOutput(options)) => commands::book::output(&options),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_learners_type_is_understood() {
        for line in [
            "check",
            "check round_robin",
            "watch 01_round_robin",
            "hint",
            "hint 2",
            "hint round_robin 2",
            "diff --give-up",
            "diff round_robin --give-up",
            "reset exercises/01_clones/01_round_robin",
            "skip",
            "test -p ch03-cache -- shard",
            "verify round_robin hello_queue --pristine",
            "book-output --check load ch01",
        ] {
            let words = ["cargo workshop"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
