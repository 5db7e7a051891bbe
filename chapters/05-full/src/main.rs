//! `ch05-full`: parses the command line and runs a subcommand.

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use ch05_full::cli::{Cli, Command};
use ch05_full::commands::{inspect, load, role, serve};
use clap::Parser;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Logs go to standard error, because scripts read standard output. RUST_LOG=info logs more.
    common::log::start("warn");
    let result = Runtime::new()
        .context("the threads of the runtime cannot be started")
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli));
            // A job on a blocking thread cannot be stopped. The process ends without it.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has closed the pipe, as in `… inspect | head -3`.
        Err(error) if error.downcast_ref().is_some_and(is_broken_pipe) => ExitCode::FAILURE,
        Err(error) => {
            // `:#` prints the error and its causes in one line, without a backtrace.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::serve(&args).await,
        Command::Balancer(args) => role::balancer(&args).await,
        Command::Clone(args) => role::clone(&args).await,
        Command::Worker(args) => role::worker(&args).await,
        Command::Publisher(args) => role::publisher(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).await,
        Command::Load(args) => load::load(&args).await,
    }
}
