//! Tunnels: connections that were upgraded to WebSocket and carry bytes in both directions.
//!
//! A tunnel counts as one request in flight for as long as it is open, so a drain waits for it.
//!
//! Left out: looking into the WebSocket frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::in_flight::InFlightGuard;

/// The open tunnels of a balancer. When the balancer is dropped, all tunnels are closed.
#[derive(Debug, Default)]
pub(crate) struct Tunnels(Mutex<JoinSet<()>>);

impl Tunnels {
    /// Connects the client with the clone as soon as both connections are upgraded. The tunnel
    /// closes when it carries no bytes for `idle`.
    pub(crate) fn open(
        &self,
        client: OnUpgrade,
        clone: OnUpgrade,
        idle: Duration,
        in_flight: InFlightGuard,
    ) {
        let mut tunnels = self.0.lock();
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(carry(client, clone, idle, in_flight));
    }
}

/// Carries bytes in both directions until both sides have closed, a connection breaks, or the
/// tunnel was idle for too long.
async fn carry(client: OnUpgrade, clone: OnUpgrade, idle: Duration, in_flight: InFlightGuard) {
    // An error means that the client or the clone left before the upgrade was complete.
    let Ok((client, clone)) = tokio::try_join!(client, clone) else {
        return;
    };
    let last_read = Mutex::new(Instant::now());
    let monitor = |connection| ActivityMonitor {
        connection: TokioIo::new(connection),
        last_read: &last_read,
    };
    let (mut client, mut clone) = (monitor(client), monitor(clone));
    let upstream = in_flight.upstream().name();
    tokio::select! {
        // An error needs no handling: the tunnel ends when either side breaks the connection.
        _ = tokio::io::copy_bidirectional(&mut client, &mut clone) => {}
        () = wait_until_idle(&last_read, idle) => {
            tracing::info!(upstream, ?idle, "closed an idle WebSocket");
        }
    }
}

/// Resolves when no bytes came for `idle`. Without this limit, a client whose machine was switched
/// off would keep its tunnel for ever.
async fn wait_until_idle(last_read: &Mutex<Instant>, idle: Duration) {
    loop {
        let last = *last_read.lock();
        if last.elapsed() >= idle {
            return;
        }
        sleep_until(last + idle).await;
    }
}

/// A connection that records when bytes came.
struct ActivityMonitor<'a> {
    connection: TokioIo<Upgraded>,
    last_read: &'a Mutex<Instant>,
}

impl AsyncRead for ActivityMonitor<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.connection).poll_read(context, buffer));
        *self.last_read.lock() = Instant::now();
        Poll::Ready(read)
    }
}

impl AsyncWrite for ActivityMonitor<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}
