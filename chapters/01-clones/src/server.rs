//! The HTTP/1.1 server loop that the balancer and every clone run in.
//!
//! It stands between a listening socket and a [`tower::Service`]: an axum router, or the balancer, which needs no
//! router. It does what `axum::serve` 0.8 does not: it closes a connection whose head does not arrive in time, it
//! puts an end to shutting down, and it reads on after an early answer ([`linger`](crate::linger)).
//!
//! Left out: HTTP/2, TLS, a limit on open connections, and handing the listening socket over to a newer process.

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
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

use crate::linger::RequestBody;

/// How long a server waits, for what, and how much it takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the moment a head may arrive until it is complete; so it is also how long a connection may be idle.
    /// Without it, a client that sends half a head keeps a connection for ever, and a few thousand of those
    /// (*slowloris*) are all there are.
    pub head: Duration,
    /// How long the next piece of a body may take while somebody is reading it. The same attack, one step later.
    pub body: Duration,
    /// How long requests in flight may go on after the shutdown began. What is not finished by then is cut.
    pub grace: Duration,
    /// How many header fields a request may have. hyper answers 431 to one with more, before our code sees it. The balancer adds
    /// fields of its own, so it has to take fewer than the clones behind it: see [`balancer::run`](crate::balancer::run).
    pub headers: usize,
}

impl Default for Limits {
    /// 10 s for a head, 10 s for each piece of a body, 3 s of grace, 128 header fields.
    fn default() -> Self {
        Limits {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            grace: Duration::from_secs(3),
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
                let connection = serve(limits, stream, peer, service.clone());
                connections.spawn(finish(connection, leaving.clone()));
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
        let signals =
            signal(SignalKind::interrupt()).and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
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
fn serve<S, B>(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
) -> UpgradeableConnection<
    TokioIo<TcpStream>,
    impl hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>,
>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    // Nagle's algorithm holds a small segment back until the one before it is acknowledged: up to 40 ms for an answer
    // in two writes. A failure only makes us slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let mut request = RequestBody::wrap(request, limits.body);
        request.extensions_mut().insert(PeerAddr(peer));
        service.clone().oneshot(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}

/// Serves a connection to its end; or, once the server leaves, to the end of the request in flight. hyper-util's `GracefulShutdown` does the
/// same, but not for connections that may change their protocol.
async fn finish<S, B>(connection: UpgradeableConnection<TokioIo<TcpStream>, S>, mut leaving: watch::Receiver<()>)
where
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
