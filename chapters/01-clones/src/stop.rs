//! When a process that was started by another one has to stop.
//!
//! A person ends a server by Ctrl-C and an orchestrator by SIGTERM ([`stop_signal`]). A child cannot go by Ctrl-C, for a terminal sends that to
//! parent and children at once, and the children would be gone before the parent has stopped sending them requests. The pipe to the standard
//! input does better: the parent closes it when it is the child's turn, and the system closes it when the parent is killed, so that no child is
//! left behind.
//!
//! Left out: Windows services.

use tokio::io::AsyncReadExt;

use crate::server::stop_signal;

/// Resolves when this process should stop: at Ctrl-C or SIGTERM; or, for the child of another process, at SIGTERM or when its standard
/// input ends. It listens from the call on.
pub fn asked(end_with_stdin: bool) -> impl Future<Output = ()> + Send {
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
fn terminated() -> impl Future<Output = ()> + Send {
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
fn terminated() -> impl Future<Output = ()> + Send {
    std::future::pending()
}
