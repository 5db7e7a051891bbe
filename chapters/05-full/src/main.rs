//! `cargo run -p ch05-full`: parses the command line and starts what it asks for.

use std::process::ExitCode;

use ch05_full::cli::{Cli, Command};
use ch05_full::{inspect, load, serve};
use clap::Parser;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Logs go to standard error, so that standard output stays fit for pasting from. RUST_LOG=info says more.
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve::serve(&args).await,
        Command::Balancer(args) => serve::balancer_alone(&args).await,
        Command::Inspect(args) => inspect::inspect(&args).await,
        Command::Load(args) => load::load(&args).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One sentence with its causes; a backtrace helps nobody whose port is in use.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
