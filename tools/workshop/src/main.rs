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
    /// Runs every test of the repository and counts them
    Test(commands::test::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        None => commands::welcome::run(),
        Some(Command::Test(options)) => commands::test::run(&options),
    }
}
