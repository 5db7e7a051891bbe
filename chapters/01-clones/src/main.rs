//! `cargo run -p ch01-clones`: the chapter's guided demonstration, or one of its servers by itself.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Arguments, Command};

mod cli;
mod demo;
mod experiment;
mod roles;
mod runtime;

fn main() -> ExitCode {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    log.with_env_filter(EnvFilter::from_default_env()).init();
    match runtime::start(|| run(Arguments::parse().command)) {
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
        Some(Command::Clone(arguments)) => roles::clone::run(arguments).await,
        Some(Command::Balancer(arguments)) => roles::balancer::run(arguments).await,
        Some(Command::Serve(arguments)) => roles::site::serve(arguments).await,
        Some(Command::Pack(arguments)) => roles::site::pack(arguments),
        Some(Command::Deploy(arguments)) => roles::site::deploy(arguments).await,
    }
}
