//! An error with everything that led to it, in one line: for messages that a person reads instead of a log.

use std::error::Error;

/// The error's own words, then those of its causes, each after a colon.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
