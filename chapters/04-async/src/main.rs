//! `cargo run -p ch04-async`: the chapter's guided demonstration, or one of its processes.

use std::process::ExitCode;

use clap::Parser;

use cli::{Arguments, Command};

mod cli;
mod demo;

#[tokio::main]
async fn main() -> ExitCode {
    common::log::start("error");
    match run(Arguments::parse().command).await {
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
        Some(Command::Worker(arguments)) => demo::run_worker(arguments).await,
        Some(Command::MemoryStore(arguments)) => demo::run_memory_store(arguments).await,
    }
}
