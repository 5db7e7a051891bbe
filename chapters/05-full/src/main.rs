//! `cargo run -p ch05-full`: parses the command line and starts what it asks for.

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use ch05_full::cli::{Cli, Command};
use ch05_full::{inspect, load, serve};
use clap::Parser;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Logs go to standard error, so that standard output stays fit for pasting from. RUST_LOG=info says more.
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    let outcome = Runtime::new()
        .context("no threads to run on")
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(cli));
            // A job that computes on a thread of its own cannot be stopped, and the end of the process does not wait for it.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Who has read enough, as in `… inspect | head -3`, need not be told that they did.
        Err(error) if error.downcast_ref().is_some_and(is_unread) => ExitCode::FAILURE,
        Err(error) => {
            // One sentence with its causes; a backtrace helps nobody whose port is in use.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_unread(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::serve(&args).await,
        Command::Balancer(args) => serve::balancer_alone(&args).await,
        Command::Clone(args) => serve::clone_alone(&args).await,
        Command::Worker(args) => serve::worker_alone(&args).await,
        Command::Publisher(args) => serve::publisher_alone(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).await,
        Command::Load(args) => load::load(&args).await,
    }
}
