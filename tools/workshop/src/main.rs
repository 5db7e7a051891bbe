//! The program behind `cargo workshop …`: it reads the command line and hands over to `commands`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workshop::commands;

/// The workshop's own command.
#[derive(Parser)]
#[command(name = "workshop", bin_name = "cargo workshop", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Tells what a learner needs, what of it is there, and what to do next
    Doctor(commands::doctor::Options),
    /// Does the set-up that the tests need, runs every test of the repository, and counts them
    Test(commands::test::Options),
    /// Starts the real servers that the tests share, and tells where they listen
    Up,
    /// Removes every container of the workshop
    Down,
    /// Gets the images of the servers
    Images(commands::servers::Images),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        None => commands::welcome::run(),
        Some(Command::Doctor(options)) => commands::doctor::run(&options),
        Some(Command::Test(options)) => commands::test::run(&options),
        Some(Command::Up) => commands::servers::up(),
        Some(Command::Down) => commands::servers::down(),
        Some(Command::Images(options)) => commands::servers::images(&options),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
