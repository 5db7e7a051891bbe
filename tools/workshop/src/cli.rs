//! The command line: [`Cli`] lists all subcommands and runs the one that was typed.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{App, exit_code};
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
    Check(learner::check::CheckOptions),
    /// Checks an exercise after every save
    Watch(ExerciseArgument),
    /// Shows the next of an exercise's three hints
    Hint(learner::hint::HintOptions),
    /// Compares your code with our solution, once the exercise is solved
    Diff(learner::diff::DiffOptions),
    /// Restores an exercise's stub and saves a backup of your code
    Reset(ExerciseArgument),
    /// Continues without an exercise, or without all that come before one
    Skip(learner::skip::SkipOptions),
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
        let (app, output, messages) = (&App::detect(), &mut io::stdout(), &mut io::stderr());
        let mut is_success = true;
        match self.command {
            None => learner::welcome::welcome(app, output)?,
            Some(Command::List) => learner::list::list(app, output)?,
            Some(Command::Check(options)) => {
                is_success = learner::check::check(app, &options, output, messages)?;
            }
            Some(Command::Watch(argument)) => {
                learner::watch::watch(app, &argument, output, messages)?;
            }
            Some(Command::Hint(options)) => learner::hint::hint(app, &options, output)?,
            Some(Command::Diff(options)) => {
                is_success = learner::diff::diff(app, &options, output)?;
            }
            Some(Command::Reset(argument)) => learner::reset::reset(app, &argument, output)?,
            Some(Command::Skip(options)) => learner::skip::skip(app, &options, output)?,
            Some(Command::Test(options)) => {
                is_success = learner::test::test(app, &options, output, messages)?;
            }
            Some(Command::Book) => return learner::book::open(app),
            Some(Command::Doctor(options)) => return doctor::run(&options),
            Some(Command::Up) => return server_commands::up(),
            Some(Command::Down) => return server_commands::down(),
            Some(Command::Images(options)) => return server_commands::images(&options),
            Some(Command::Verify(arguments)) => return verify::command::run(&arguments),
            Some(Command::BookLint) => return learner::book::lint(app),
            Some(Command::BookOutput(options)) => return learner::book::output(app, &options),
        }
        output.flush()?;
        Ok(exit_code(is_success))
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
            "check --all",
            "watch 01_round_robin",
            "hint",
            "hint 2",
            "hint round_robin 2",
            "diff --give-up",
            "diff round_robin --give-up",
            "reset exercises/01_clones/01_round_robin",
            "skip",
            "skip --before two_choices",
            "test -p ch03-cache -- shard",
            "verify round_robin hello_queue --pristine",
            "book-output --check load ch01",
        ] {
            let words = ["cargo workshop"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
