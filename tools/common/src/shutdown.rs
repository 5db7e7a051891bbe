//! Tells a server process when to stop.
//!
//! A person stops a server with Ctrl-C, an orchestrator with SIGTERM. A child process must ignore
//! Ctrl-C, because the terminal sends it to the parent and to all children at the same time. The
//! children would end while the parent still sends them requests. The parent closes the child's
//! standard input instead ([`crate::child::Child::stop`]). The operating system also closes it when
//! the parent dies, so no child outlives its parent.
//!
//! Left out: Windows services.

use std::io;

use tokio::sync::oneshot;

/// Resolves at Ctrl-C or SIGTERM, or with `exit_on_stdin_close` at SIGTERM or when the standard
/// input is closed. The signal handlers are registered by the call, not by the first poll.
///
/// ```no_run
/// # async fn serve(shutdown: impl Future<Output = ()>) {}
/// # #[tokio::main] async fn main() {
/// let is_child = std::env::args().any(|flag| flag == "--exit-on-stdin-close");
/// let shutdown = common::shutdown::requested(is_child);
/// serve(shutdown).await;
/// # }
/// ```
pub fn requested(exit_on_stdin_close: bool) -> impl Future<Output = ()> + Send {
    // Both are registered in any case. Otherwise an early Ctrl-C would end this process at once.
    let (signal, terminate) = (signal(), terminate());
    async move {
        if exit_on_stdin_close {
            tokio::select! {
                () = stdin_closed() => {}
                () = terminate => {}
            }
        } else {
            signal.await;
        }
    }
}

/// Resolves at Ctrl-C or SIGTERM. The handlers are registered by the call.
pub fn signal() -> impl Future<Output = ()> + Send {
    let (interrupt, terminate) = (interrupt(), terminate());
    async move {
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

#[cfg(unix)]
fn interrupt() -> impl Future<Output = ()> + Send {
    unix_signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(unix)]
fn terminate() -> impl Future<Output = ()> + Send {
    unix_signal(tokio::signal::unix::SignalKind::terminate())
}

#[cfg(unix)]
fn unix_signal(kind: tokio::signal::unix::SignalKind) -> impl Future<Output = ()> + Send {
    // Without a handler the signal ends the process by itself, only less gracefully.
    let signal = tokio::signal::unix::signal(kind);
    async move {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(windows)]
fn interrupt() -> impl Future<Output = ()> + Send {
    let signal = tokio::signal::windows::ctrl_c();
    async move {
        match signal {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(windows)]
fn terminate() -> impl Future<Output = ()> + Send {
    std::future::pending()
}

/// Reads on a thread of its own: a read of the standard input cannot be cancelled, and a tokio
/// runtime waits for its blocking threads when it ends.
async fn stdin_closed() {
    let (closed, wait) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}
