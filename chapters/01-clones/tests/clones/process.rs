//! The chapter's own clone as a process.

use std::path::Path;

pub use ch01_clones::deploy::CloneProcess;

use crate::role::PROGRAM;

/// Starts a clone on a free port, and returns when it listens. `sessions` is `local`, `sticky` or
/// the URL of a Redis.
pub async fn start(name: &str, sessions: &str, avatars: Option<&Path>) -> CloneProcess {
    let mut arguments = vec!["--sessions".into(), sessions.into()];
    if let Some(folder) = avatars {
        arguments.extend(["--avatars".into(), folder.into()]);
    }
    CloneProcess::start(Path::new(PROGRAM), name, &arguments)
        .await
        .unwrap()
}
