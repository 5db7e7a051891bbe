//! The program behind `cargo workshop …`: it reads the command line and hands over to the library.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use workshop::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        // Who has read enough, as in `cargo workshop list | head -1`, need not be told that they did.
        let is_unread = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if !error.downcast_ref().is_some_and(is_unread) {
            eprintln!("error: {error:#}");
        }
        ExitCode::FAILURE
    })
}
