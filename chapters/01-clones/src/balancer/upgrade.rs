//! Connections that change their protocol on the way: WebSocket.
//!
//! A browser asks for it with an ordinary `GET` and two more fields, `Connection: Upgrade` and `Upgrade: websocket`. Both are for the next
//! hop only ([`headers`](super::headers) takes them out), so a proxy that wants to let it happen says them again, in its own name. When the
//! clone agrees with `101 Switching Protocols`, neither side speaks HTTP any more, and all that is left to do is to carry bytes both ways
//! until one of them closes. The connection counts as a request in flight all that time, so that a drain waits for it.
//!
//! Only `websocket` passes. A balancer that lets a client change to *anything* lets it change to a protocol in which it can ask for what
//! the balancer would have refused (`h2c` is the known case), and then it is only a wire.
//!
//! Left out: WebSocket over HTTP/2 (RFC 8441), and looking into the frames.

use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::forward::ResponseBody;
use super::upstream::InFlight;
use crate::web::request_body::RequestBody;

/// The one protocol that connections may change to.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A client that wants its connection to become a WebSocket.
#[derive(Debug)]
pub(super) struct Wish {
    /// Becomes the client's connection when it has got our `101`.
    client: OnUpgrade,
}

impl Wish {
    /// What the request asks for beside its answer. Anything else than a well-formed wish for a WebSocket is none, and the fields that say
    /// so go no further: a server may always answer as if they were not there (RFC 9110, section 7.8).
    pub(super) fn take(request: &mut Request<RequestBody>) -> Option<Wish> {
        let is_plain = request.method() == Method::GET && request.version() == Version::HTTP_11;
        let is_wish =
            is_plain && request.body().is_end_stream() && names_websocket(request.headers());
        is_wish.then(|| Wish {
            client: hyper::upgrade::on(request),
        })
    }

    /// Passes the clone's agreement on, and begins to carry. `None`: what it agreed to is not what was asked for.
    pub(super) fn grant(
        self,
        mut response: Response<Incoming>,
        in_flight: InFlight,
        idle: Duration,
        tunnels: &Tunnels,
    ) -> Option<Response<ResponseBody>> {
        if !names_websocket(response.headers()) {
            return None;
        }
        let clone = hyper::upgrade::on(&mut response);
        tunnels.begin(carry(self.client, clone, idle, in_flight));
        Some(response.map(|_| Either::Right(Full::new(Bytes::new()))))
    }
}

/// Says the two fields anew, for the next hop.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Whether the message's connection is to become a WebSocket, and nothing else beside.
fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let is_websocket = matches!((protocols.next(), protocols.next()), (Some(only), None)
        if only.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
    let options = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    is_websocket
        && options
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case("upgrade"))
}

/// The connections that have changed their protocol. Dropping this cuts them: no connection outlives its balancer.
#[derive(Debug, Default)]
pub(super) struct Tunnels(Mutex<JoinSet<()>>);

impl Tunnels {
    fn begin(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let mut tunnels = self
            .0
            .lock()
            .expect("no code panics while it holds this lock");
        while tunnels.try_join_next().is_some() {}
        tunnels.spawn(tunnel);
    }
}

/// Carries bytes both ways until both sides have closed, one is gone, or nothing has moved for `idle`.
async fn carry(client: OnUpgrade, clone: OnUpgrade, idle: Duration, in_flight: InFlight) {
    // The client may leave before it has read our answer, and the clone after it has sent its own.
    let Ok((client, clone)) = tokio::try_join!(client, clone) else {
        return;
    };
    let moved = Mutex::new(Instant::now());
    let watched = |connection| Watched {
        connection: TokioIo::new(connection),
        moved: &moved,
    };
    let (mut client, mut clone) = (watched(client), watched(clone));
    tokio::select! {
        // Which of them broke it off, and how, only they could tell.
        _ = tokio::io::copy_bidirectional(&mut client, &mut clone) => {}
        () = quiet(&moved, idle) => tracing::info!(upstream = in_flight.upstream().name(), ?idle, "a quiet WebSocket was closed"),
    }
}

/// Resolves when nothing has moved for so long. A client whose machine was switched off says no goodbye, and would stay for ever.
async fn quiet(moved: &Mutex<Instant>, idle: Duration) {
    loop {
        let last = *moved
            .lock()
            .expect("no code panics while it holds this lock");
        if last.elapsed() >= idle {
            return;
        }
        sleep_until(last + idle).await;
    }
}

/// A connection that notes when something came.
struct Watched<'a, T> {
    connection: T,
    moved: &'a Mutex<Instant>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.connection).poll_read(context, buffer));
        *self
            .moved
            .lock()
            .expect("no code panics while it holds this lock") = Instant::now();
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<'_, T> {
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
