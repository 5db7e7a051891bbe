//! `cargo run -p ch01-clones`: the chapter's guided demonstration, or one of its servers.

use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Command};

mod cli;
mod commands;
mod demo;
mod experiment;

fn main() -> ExitCode {
    common::log::start("error");
    match commands::runtime::start(|| run(Arguments::parse().command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Option<Command>) -> anyhow::Result<()> {
    match command {
        None => demo::run().await,
        Some(Command::Experiment(arguments)) => experiment::run(arguments).await,
        Some(Command::Clone(arguments)) => commands::clone::run(arguments).await,
        Some(Command::Balancer(arguments)) => commands::balancer::run(arguments).await,
        Some(Command::Serve(arguments)) => commands::serve::serve(arguments).await,
        Some(Command::Pack(arguments)) => commands::serve::pack(arguments),
        Some(Command::Deploy(arguments)) => commands::serve::deploy(arguments).await,
    }
}
