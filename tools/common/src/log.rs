//! The log of a program: lines on the standard error.

use std::io;

use anstream::{AutoStream, ColorChoice};
use tracing_subscriber::EnvFilter;

/// Starts the log. `RUST_LOG` sets what it shows; without it, `default_filter` does, such as
/// `"warn"`.
///
/// A terminal gets colours. A file, a pipe and a terminal with `TERM=dumb` get none, and the
/// variables `NO_COLOR` and `CLICOLOR` decide first.
///
/// # Panics
///
/// If the process has a log already.
pub fn start(default_filter: &str) {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| EnvFilter::new(default_filter)))
        .with_writer(io::stderr)
        .with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never)
        .init();
}
