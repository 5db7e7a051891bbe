//! The command line: [`Cli`] lists all subcommands and runs the one that was typed.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::learner::{self, ExerciseArgument};
use crate::setup::{doctor, server_commands};
use crate::verify;

/// The command of the scalability workshop. Without a subcommand, it shows your position and the
/// next step.
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
    /// Lists all exercises and your progress
    List,
    /// Runs an exercise's tests and says what to do next
    Check(ExerciseArgument),
    /// Checks an exercise after every save
    Watch(ExerciseArgument),
    /// Shows the next of an exercise's three hints
    Hint(learner::hint::HintOptions),
    /// Compares your code with our solution, once the exercise is solved
    Diff(learner::diff::DiffOptions),
    /// Restores an exercise's stub and saves a backup of your code
    Reset(ExerciseArgument),
    /// Continues without an exercise
    Skip(ExerciseArgument),
    /// Builds the book and opens it in a browser
    Book,
    /// Checks what the workshop needs and what this machine has
    Doctor(doctor::DoctorOptions),
    /// Starts the real servers that the tests share, and prints their addresses
    Up,
    /// Removes every container of the workshop
    Down,
    /// Gets the images of the servers
    Images(server_commands::ImagesOptions),
    /// Prepares the servers, runs every test of the repository, and counts the tests
    Test(learner::test::TestOptions),
    /// For authors: proves that stubs fail, solutions pass, and wrong answers are rejected
    Verify(verify::command::VerifyArguments),
    /// For authors: finds broken links, includes and names in the book
    BookLint,
    /// For authors: records the terminal sessions in the book again
    BookOutput(learner::book::BookOutputOptions),
}

impl Cli {
    /// Runs the subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            None => learner::welcome::run(),
            Some(Command::List) => learner::list::run(),
            Some(Command::Check(argument)) => learner::check::run(&argument),
            Some(Command::Watch(argument)) => learner::watch::run(&argument),
            Some(Command::Hint(options)) => learner::hint::run(&options),
            Some(Command::Diff(options)) => learner::diff::run(&options),
            Some(Command::Reset(argument)) => learner::reset::run(&argument),
            Some(Command::Skip(argument)) => learner::skip::run(&argument),
            Some(Command::Book) => learner::book::open(),
            Some(Command::Doctor(options)) => doctor::run(&options),
            Some(Command::Up) => server_commands::up(),
            Some(Command::Down) => server_commands::down(),
            Some(Command::Images(options)) => server_commands::images(&options),
            Some(Command::Test(options)) => learner::test::run(&options),
            Some(Command::Verify(arguments)) => verify::command::run(&arguments),
            Some(Command::BookLint) => learner::book::lint(),
            Some(Command::BookOutput(options)) => learner::book::output(&options),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn documented_commands_are_parsed() {
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
