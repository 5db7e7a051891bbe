//! `cargo run -p testbed -- …`: what `cargo workshop up`, `down` and `images` run.
//!
//! It is a program of its own, so that `cargo workshop` needs no Docker client and builds in
//! seconds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Parser};

/// The real servers of the workshop.
#[derive(Parser)]
enum Command {
    /// Start the shared servers, and print their addresses
    Up,
    /// Remove every container and network of the workshop
    Down,
    /// Get the images of all servers: pull them, or build them from Debian packages
    Images(Images),
}

#[derive(Args)]
struct Images {
    /// Write them into one file, for machines without a network
    #[arg(long, value_name = "FILE", conflicts_with = "load")]
    save: Option<PathBuf>,
    /// Load them from such a file
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Command::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), testbed::Error> {
    match command {
        Command::Up => {
            let start = Instant::now();
            for (name, address) in testbed::up().await? {
                println!("{address}  {name}");
            }
            println!(
                "ready after {:.1} s; `cargo workshop down` removes them",
                start.elapsed().as_secs_f64()
            );
        }
        Command::Down => match testbed::remove_all().await? {
            0 => println!("there was nothing to remove"),
            1 => println!("1 container removed"),
            containers => println!("{containers} containers removed"),
        },
        Command::Images(Images {
            save: Some(file), ..
        }) => {
            testbed::images::save(&file).await?;
            println!(
                "all images are in {}; load them on another machine with \
                 `cargo workshop images --load FILE`",
                file.display()
            );
        }
        Command::Images(Images {
            load: Some(file), ..
        }) => print_names(&testbed::images::load(&file).await?),
        Command::Images(_) => print_names(&testbed::images::get_all().await?),
    }
    Ok(())
}

fn print_names(names: &[String]) {
    for name in names {
        println!("{name}");
    }
}
