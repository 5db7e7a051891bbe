//! The HTTP/1.1 server loop that the balancer and every clone run in.
//!
//! It stands between a listening socket and a [`tower::Service`]: an axum router, or the balancer, which needs no
//! router. It does what `axum::serve` 0.8 does not: it counts who comes in (`door`), it closes a connection whose head does not arrive
//! in time, and one whose client does not read (`unread`), it puts an end to shutting down, and it reads on after an early answer
//! ([`linger`](crate::linger)).
//!
//! Left out: HTTP/2, TLS, and handing the listening socket over to a newer process. A connection that is cut for being late is
//! closed without a 408.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

use crate::linger::RequestBody;

mod door;
mod unread;

use door::Door;
use unread::Unread;

/// How long a server waits, for what, and how much it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// From the moment a head may arrive until it is complete; so it is also how long a connection may be idle.
    /// Without it, a client that sends half a head keeps a connection for ever, and a few thousand of those
    /// (*slowloris*) are all there are.
    #[serde(with = "humantime_serde")]
    pub head: Duration,
    /// How long a body may keep its reader waiting: for its next piece, and in all, if it comes slower than `rate`. The same
    /// attack, one step later.
    #[serde(with = "humantime_serde")]
    pub body: Duration,
    /// How many bytes of a body, per second of waiting, win the patience back that the waiting has cost. A body that is faster than
    /// this may take as long as it likes; one byte every nine seconds ends after ten.
    pub rate: u32,
    /// How long a client may read nothing of its answer, when all buffers between us and it are full.
    #[serde(with = "humantime_serde")]
    pub unread: Duration,
    /// How long requests in flight may go on after the shutdown began. What is not finished by then is cut.
    #[serde(with = "humantime_serde")]
    pub grace: Duration,
    /// How many connections may be open. What comes above that is told so with a 503 and closed; it is not left waiting.
    pub connections: usize,
    /// How many of them one client may have, an IPv4 address or a /64 network of IPv6. It is told so with a 429. A proxy in front is
    /// one client too.
    pub connections_per_client: usize,
    /// How large a request's head may be, in bytes. hyper answers 431 to a larger one, so half-sent heads can fill only so much memory.
    pub head_bytes: usize,
    /// How many header fields a request may have. hyper answers 431 to one with more, before our code sees it. The balancer adds
    /// fields of its own, so it has to take fewer than the clones behind it: see [`balancer::run`](crate::balancer::run).
    pub headers: usize,
}

impl Default for Limits {
    /// 10 s for a head; 10 s of waiting for a body, or 512 bytes for each second; 30 s for a client to read something; 3 s of grace;
    /// 8192 connections, 2048 from one client; 64 KiB of head in 128 fields.
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            rate: 512,
            unread: Duration::from_secs(30),
            grace: Duration::from_secs(3),
            connections: 8192,
            connections_per_client: 2048,
            head_bytes: 64 * 1024,
            headers: 128,
        }
    }
}

/// How long a server goes on as before when it was asked to stop.
const SETTLE: Duration = Duration::from_millis(20);

/// The client at the other end of the connection, in the extensions of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Serves `service` on `listener` until `shutdown` resolves and the requests in flight are finished, with the default
/// [`Limits`].
///
/// The caller brings the listener and the shutdown signal, so a test binds port 0 and `main` passes Ctrl-C. Dropping
/// the returned future cuts all connections at once, as a crash would.
pub async fn run<S, B>(listener: TcpListener, service: S, shutdown: impl Future<Output = ()> + Send)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    run_with(Limits::default(), listener, service, shutdown).await;
}

/// As [`run`], with other limits.
pub async fn run_with<S, B>(
    limits: Limits,
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    // Clients whose connection the kernel has made already believe that they are talking to us, and hyper closes a
    // connection at once if it has read nothing from it yet. So both get a moment more before the door is shut.
    let mut end = pin!(shutdown.then(|()| tokio::time::sleep(SETTLE)));
    let (leave, leaving) = watch::channel(());
    let door = Door::new(&limits);
    // A set, because dropping it ends its tasks: no connection outlives this function.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                // Nagle's algorithm holds a small segment back until the one before it is acknowledged: up to 40 ms for an
                // answer in two writes. A failure only makes us slower.
                let _ = stream.set_nodelay(true);
                match door.enter(peer.ip()) {
                    Ok(place) => {
                        let connection = serve(limits, stream, peer, service.clone());
                        connections
                            .spawn(finish(connection, leaving.clone()).map(|()| drop(place)));
                    }
                    Err(reason) => {
                        tracing::debug!(%peer, ?reason, "no room for a connection");
                        if let Some(place) = door.window() {
                            connections.spawn(door::tell(reason, stream, place));
                        }
                    }
                }
            }
            Err(error) => wait_after(&error).await,
        }
    }
    drop(listener);
    drop(leave);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.grace, finished).await.is_err() {
        tracing::warn!(grace = ?limits.grace, "cutting the requests that are still in flight");
    }
}

/// Resolves when a person (Ctrl-C, `SIGINT`) or, on Unix, an orchestrator such as Docker (`SIGTERM`) asks this process to stop.
///
/// Listens from the call on, not from the first poll: whoever sees our first line of output may send the signal at once.
pub fn stop_signal() -> impl Future<Output = ()> + Send {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        // Without a signal handler the signals end the process by themselves, only less gracefully.
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

/// One connection, with all the requests that come over it, until it is closed or has changed its protocol.
fn serve<C, S, B>(
    limits: Limits,
    stream: C,
    peer: SocketAddr,
    service: S,
) -> UpgradeableConnection<
    TokioIo<Unread<C>>,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<B>,
        Error = Infallible,
        Future: Send,
    >,
>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let mut request = RequestBody::wrap(request, limits.body, limits.rate);
        request.extensions_mut().insert(PeerAddr(peer));
        service.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(Unread::new(stream, limits.unread)), service)
        .with_upgrades()
}

/// Serves a connection to its end; or, once the server leaves, to the end of the request in flight. hyper-util's `GracefulShutdown` does the
/// same, but not for connections that may change their protocol.
async fn finish<C, S, B>(connection: UpgradeableConnection<C, S>, mut leaving: watch::Receiver<()>)
where
    C: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let mut connection = pin!(connection);
    tokio::select! {
        // How a client's connection ends is the client's business.
        _ = connection.as_mut() => return,
        // Nobody sends anything: this ends when the sender is dropped.
        _ = leaving.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// A failed `accept` must not end the loop: it is one client's bad luck, or we are out of file descriptors for a while.
async fn wait_after(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
        _ => {
            // Accepting again at once would spin: the connection that found no descriptor still waits in the queue.
            tracing::warn!(%error, "cannot accept a connection, waiting for 100 ms");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
