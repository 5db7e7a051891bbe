//! When a role in a process of its own has to stop.

use std::time::Duration;

use ch01_clones::server::stop_signal;
use tokio::io::AsyncReadExt;

/// How long a worker may go on with the job in hand.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Resolves when this process should stop: at Ctrl-C or SIGTERM; or, for the child of another process, at SIGTERM or when its standard
/// input ends.
///
/// A child cannot go by Ctrl-C, for a terminal sends that to parent and children at once, and the children would be gone before the
/// parent has stopped sending them requests. The pipe to the standard input does better: the parent closes it when it is the
/// child's turn, and the system closes it when the parent is killed, so that no child is left behind.
pub(super) fn asked(end_with_stdin: bool) -> impl Future<Output = ()> {
    // Registered in any case: from now on no signal ends this process by itself.
    let (any, terminated) = (stop_signal(), terminated());
    async move {
        if end_with_stdin {
            tokio::select! {
                () = stdin_ends() => {}
                () = terminated => {}
            }
        } else {
            any.await;
        }
    }
}

async fn stdin_ends() {
    let mut stdin = tokio::io::stdin();
    let mut nothing = [0; 64];
    while matches!(stdin.read(&mut nothing).await, Ok(1..)) {}
}

#[cfg(unix)]
fn terminated() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signal = signal(SignalKind::terminate());
    async move {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
fn terminated() -> impl Future<Output = ()> {
    std::future::pending()
}
