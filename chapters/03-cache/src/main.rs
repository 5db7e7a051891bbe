//! `cargo run -p ch03-cache`: the chapter's guided demonstration.

use std::process::ExitCode;

use clap::Parser;

mod demo;

/// Chapter 3: a thousand reads without a cache, with a map in each clone, with Redis and with
/// Memcached. Starts real servers in containers.
#[derive(Parser)]
struct Arguments {}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments {} = Arguments::parse();
    match demo::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
