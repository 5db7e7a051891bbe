//! An error with all its causes in one line.

use std::error::Error;

/// The error's message, then the message of each cause, joined by `: `.
///
/// Use it for logs and for a terminal. Do not send it to a client: causes may name servers.
///
/// ```
/// #[derive(Debug, thiserror::Error)]
/// #[error("cannot read the settings")]
/// struct Unreadable(#[source] std::io::Error);
///
/// let error = Unreadable(std::io::Error::other("no such file"));
/// assert_eq!(common::error_chain(&error), "cannot read the settings: no such file");
/// ```
pub fn error_chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
