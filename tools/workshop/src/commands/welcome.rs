//! `cargo workshop` alone: what there is, and where to begin.
//!
//! It names only what exists. Left out: a learner's progress.

use std::io::{self, Write};
use std::process::ExitCode;

const WELCOME: &str = "\
This is the workshop's own command:

  cargo workshop doctor                what this machine has and what it lacks (--fix gets it)
  cargo workshop test                  set up what the tests need, and run every test
  cargo workshop test -p ch03-cache    run one chapter's tests (-p may be repeated)
  cargo workshop test -- shard         run the tests with \"shard\" in their name
  cargo workshop up                    start PostgreSQL, Redis, Memcached and RabbitMQ, to look around
  cargo workshop down                  remove them
  cargo workshop images                get their images now (--save and --load carry them in a file)

Begin with `cargo workshop doctor`, and then `cargo workshop test`. The last line says how many tests
passed; if none failed, your machine has all that the chapters need.
";

/// Prints the overview.
pub fn run() -> anyhow::Result<ExitCode> {
    io::stdout().write_all(WELCOME.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
