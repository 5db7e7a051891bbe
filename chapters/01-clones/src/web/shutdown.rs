//! The signals that ask a process to stop.
//!
//! A person sends Ctrl-C, an orchestrator SIGTERM ([`stop_signal`]). A terminal sends Ctrl-C to a
//! parent and its children at once, so a child must ignore it: the parent may still send requests.
//! A child stops when its standard input ends. The parent closes that pipe, and the operating
//! system closes it if the parent is killed, so no child is left behind.

use tokio::io::AsyncReadExt;

/// Resolves at Ctrl-C or SIGTERM; with `exit_on_stdin_close`, at SIGTERM or at the end of the
/// standard input. It listens from the call on, not from the first poll.
pub fn requested(exit_on_stdin_close: bool) -> impl Future<Output = ()> + Send {
    // Both are registered in any case, so that no signal ends the process by default any more.
    let (any_signal, terminated) = (stop_signal(), terminated());
    async move {
        if exit_on_stdin_close {
            tokio::select! {
                () = stdin_ends() => {}
                () = terminated => {}
            }
        } else {
            any_signal.await;
        }
    }
}

/// Resolves at Ctrl-C (`SIGINT`) or, on Unix, at `SIGTERM`, which Docker and other orchestrators
/// send. It listens from the call on, not from the first poll.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // If no handler can be installed, the signals end the process by default.
        let signals = signal(SignalKind::interrupt())
            .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
        async move {
            let Ok((mut interrupt, mut terminate)) = signals else {
                return std::future::pending().await;
            };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
    }
    #[cfg(windows)]
    {
        let signals = tokio::signal::windows::ctrl_c();
        async move {
            match signals {
                Ok(mut ctrl_c) => drop(ctrl_c.recv().await),
                Err(_) => std::future::pending().await,
            }
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
