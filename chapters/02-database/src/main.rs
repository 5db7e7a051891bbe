//! `cargo run -p ch02-database`: the chapter's guided demonstration, its tools and experiments.

use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Command};

mod cli;
mod commands;
mod demo;
mod experiment;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { command, demo } = arguments;
    match command {
        None => demo::run(demo).await,
        Some(Command::Inspect(addresses)) => commands::inspect::run(&addresses).await,
        Some(Command::Populate(arguments)) => commands::populate::run(&arguments).await,
        Some(Command::Rebalance(arguments)) => commands::rebalance::run(&arguments).await,
        Some(Command::Experiment(arguments)) => experiment::run(arguments).await,
    }
}
