//! The command line: [`Cli`] lists all subcommands and runs the one that was typed.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{App, exit_code};
use crate::learner::{book, check, diff, hint, list, reset, skip, test, watch, welcome};
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
    Check {
        #[command(flatten)]
        exercise: ExerciseArgument,
        /// Checks all solved exercises again, and prints one line for each
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Checks an exercise after every save
    Watch(ExerciseArgument),
    /// Shows the next of an exercise's three hints
    Hint {
        /// The exercise and the hint's number from 1 to 3. The default is the next hint of the
        /// current exercise
        #[arg(value_names = ["ID", "LEVEL"], num_args = 0..=2)]
        words: Vec<String>,
    },
    /// Compares your code with our solution, once the exercise is solved
    Diff {
        #[command(flatten)]
        exercise: ExerciseArgument,
        /// Shows the solution although the exercise is not solved
        #[arg(long)]
        give_up: bool,
    },
    /// Restores an exercise's stub and saves a backup of your code
    Reset(ExerciseArgument),
    /// Continues without an exercise, or without all that come before one
    Skip {
        #[command(flatten)]
        exercise: ExerciseArgument,
        /// Skips every open exercise before this one, for example because you know the earlier
        /// ideas
        #[arg(long, value_name = "ID", conflicts_with = "id")]
        before: Option<String>,
    },
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
    Test(test::TestOptions),
    /// For authors: proves that stubs fail, solutions pass, and wrong answers are rejected
    Verify(verify::command::VerifyArguments),
    /// For authors: finds broken links, includes and names in the book
    BookLint,
    /// For authors: records the terminal sessions in the book again
    BookOutput {
        /// Changes nothing, and fails if the book differs from what the commands print today
        #[arg(long)]
        check: bool,
        /// Only these recordings, such as `load`. The default is all
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

#[derive(clap::Args)]
struct ExerciseArgument {
    /// The exercise: its id or its folder. The default is the exercise of the current folder, else
    /// the first open one
    id: Option<String>,
}

impl ExerciseArgument {
    fn name(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Cli {
    /// Runs the subcommand.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let (app, output, messages) = (&App::detect(), &mut io::stdout(), &mut io::stderr());
        let Some(command) = self.command else {
            welcome::welcome(app, output)?;
            return Ok(ExitCode::SUCCESS);
        };
        let mut is_success = true;
        match command {
            Command::List => list::list(app, output)?,
            Command::Check { all: true, .. } => {
                is_success = check::check_solved(app, output, messages)?;
            }
            Command::Check { exercise, .. } => {
                is_success = check::check(app, exercise.name(), output, messages)?;
            }
            Command::Watch(exercise) => watch::watch(app, exercise.name(), output, messages)?,
            Command::Hint { words } => hint::hint(app, &words, output)?,
            Command::Diff { exercise, give_up } => {
                is_success = diff::diff(app, exercise.name(), give_up, output)?;
            }
            Command::Reset(exercise) => reset::reset(app, exercise.name(), output)?,
            Command::Skip { exercise, before } => match before {
                Some(end) => skip::skip_before(app, &end, output)?,
                None => skip::skip(app, exercise.name(), output)?,
            },
            Command::Test(options) => is_success = test::test(app, &options, output, messages)?,
            Command::Book => return book::open(app),
            Command::Doctor(options) => return doctor::run(&options),
            Command::Up => return server_commands::up(),
            Command::Down => return server_commands::down(),
            Command::Images(options) => return server_commands::images(&options),
            Command::Verify(arguments) => return verify::command::run(&arguments),
            Command::BookLint => return book::lint(app),
            Command::BookOutput { check, names } => return book::output(app, check, &names),
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
            "test --pristine",
            "verify round_robin hello_queue --pristine",
            "book-output --check load ch01",
        ] {
            let words = ["cargo workshop"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_ok(), "{line}");
        }
    }
}
