//! The HTTP/1.1 server loop of the balancer and of every clone.
//!
//! It takes connections from a listener and passes their requests to a [`tower::Service`]: an axum
//! router or the balancer. Unlike `axum::serve` 0.8, it limits connections, closes a connection
//! whose head is late or whose client does not read, ends a shutdown after a time-out, and reads on
//! after an early response ([`request_body`](super::request_body)).

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, TryFutureExt};
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

use super::connection_limiter::{self, ConnectionLimiter};
use super::half_close::HalfCloseTimeout;
use super::limits::Limits;
use super::parse_error::{Exchange, ExplainParseErrors, TrackedBody, track};
use super::request_body::RequestBody;
use super::write_timeout::WriteTimeout;

/// How long the server still accepts connections after the shutdown signal.
const ACCEPT_AFTER_SHUTDOWN: Duration = Duration::from_millis(20);

/// The address of the client, in the extensions of every request. An IPv4 client always has an IPv4
/// address, also when the server listens on IPv6 and the kernel says `::ffff:127.0.0.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Serves `service` with the default [`Limits`] until `shutdown` resolves and the requests in
/// flight are finished.
///
/// Dropping the returned future closes all connections at once, like a crash.
pub async fn run<S, B>(listener: TcpListener, service: S, shutdown: impl Future<Output = ()> + Send)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    run_with(Limits::default(), listener, service, shutdown).await;
}

/// Like [`run`], with other limits.
pub async fn run_with<S, B>(
    limits: Limits,
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    // The kernel may have completed connections that the server has not accepted yet, and hyper
    // closes a connection at once if it has read nothing from it. Both get a little more time.
    let mut end = pin!(shutdown.then(|()| tokio::time::sleep(ACCEPT_AFTER_SHUTDOWN)));
    let (shutdown_sender, shutting_down) = watch::channel(());
    let limiter = ConnectionLimiter::new(&limits);
    // Dropping the set ends its tasks, so no connection outlives this function.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = &mut end => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                // Nagle's algorithm delays a small segment until the previous one is acknowledged:
                // up to 40 ms for a response in two writes. A failure here only costs time.
                let _ = stream.set_nodelay(true);
                match limiter.acquire(peer.ip()) {
                    Ok(permit) => {
                        let connection = serve(limits, stream, peer, service.clone());
                        connections.spawn(
                            finish(connection, shutting_down.clone()).map(|()| drop(permit)),
                        );
                    }
                    Err(reason) => {
                        tracing::debug!(%peer, ?reason, "connection rejected");
                        if let Some(permit) = limiter.acquire_rejection() {
                            connections.spawn(connection_limiter::reject(reason, stream, permit));
                        }
                    }
                }
            }
            Err(error) => wait_after(&error).await,
        }
    }
    drop(listener);
    drop(shutdown_sender);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.shutdown_timeout, finished)
        .await
        .is_err()
    {
        tracing::warn!(timeout = ?limits.shutdown_timeout, "shutdown timed out, closing the connections with requests in flight");
    }
}

/// The layers between hyper and a socket.
type HyperStream = TokioIo<ExplainParseErrors<WriteTimeout<HalfCloseTimeout>>>;

/// Serves all requests of one connection, until it is closed or upgraded to another protocol.
fn serve<S, B>(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
) -> UpgradeableConnection<
    HyperStream,
    impl hyper::service::Service<
        Request<Incoming>,
        Response = Response<TrackedBody<B>>,
        Error = Infallible,
        Future: Send,
    >,
>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let exchange = Exchange::default();
    let stream = HalfCloseTimeout::new(stream, limits.half_close_timeout);
    let stream = WriteTimeout::new(stream, limits.write_timeout);
    let stream = ExplainParseErrors::new(stream, exchange.clone(), limits);
    let service = service_fn(move |request| {
        exchange.begin();
        let mut request = RequestBody::wrap(request, limits.body_timeout, limits.body_rate);
        request.extensions_mut().insert(PeerAddr(peer));
        let exchange = exchange.clone();
        service
            .clone()
            .oneshot(request)
            .map_ok(|response| track(response, exchange))
    });
    http1::Builder::new()
        // `HalfCloseTimeout` looks for clients that leave.
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers)
        .max_header_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
}

/// Serves a connection to its end or, after a shutdown has begun, to the end of the request in
/// flight. hyper-util's `GracefulShutdown` does not support connections with upgrades.
async fn finish<C, S, B>(
    connection: UpgradeableConnection<C, S>,
    mut shutting_down: watch::Receiver<()>,
) where
    C: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        // Resolves when the sender is dropped.
        _ = shutting_down.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Waits before the next `accept`, if the error is a lack of file descriptors or similar. A failed
/// `accept` must not end the loop.
async fn wait_after(error: &io::Error) {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => {}
        _ => {
            // The connection is still in the queue, so accepting again at once would spin.
            tracing::warn!(%error, "cannot accept a connection, next try in 100 ms");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
