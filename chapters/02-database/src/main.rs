//! `cargo run -p ch02-database`: the chapter's guided demonstration, its tools and experiments.

use clap::Parser;

use cli::{Arguments, Command};

mod cli;
mod commands;
mod demo;
mod experiment;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { command, demo } = Arguments::parse();
    match command {
        None => demo::run(demo).await,
        Some(Command::Inspect(addresses)) => commands::inspect::run(&addresses).await,
        Some(Command::Populate(arguments)) => commands::populate::run(&arguments).await,
        Some(Command::Experiment(arguments)) => experiment::run(arguments).await,
    }
}
