//! The program behind `cargo workshop`: parses the command line and runs the command.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use workshop::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        // The reader has closed the pipe, as in `cargo workshop list | head -1`.
        let is_broken_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if !error.downcast_ref().is_some_and(is_broken_pipe) {
            eprintln!("error: {error:#}");
        }
        ExitCode::FAILURE
    })
}
