//! Explains hyper's own error responses.
//!
//! hyper parses a request before a service gets it. It answers a request that it cannot parse with
//! 400, 414 or 431, without a body, and closes the connection. hyper has no hook for these
//! responses. So a wrapper between hyper and the socket replaces them with [`Problem`] documents.
//!
//! It must never touch a response of the service. A response that hyper writes while no exchange is
//! open, and after every byte of the last one has been sent, can only be hyper's own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::Limits;
use super::problem::Problem;

/// No exchange is open, and nothing waits to be written.
const IDLE: u8 = 0;
/// The service has a request, or hyper has its response.
const OPEN: u8 = 1;
/// hyper has the whole response, but may not have written all of it.
const ENDING: u8 = 2;
/// The connection has switched to another protocol, whose bytes are no HTTP responses.
const TUNNEL: u8 = 3;

/// How far the exchange of request and response on one connection is. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange(Arc<AtomicU8>);

impl Exchange {
    /// The service gets a request.
    pub(super) fn begin(&self) {
        self.0.store(OPEN, Ordering::Relaxed);
    }

    fn advance(&self, from: u8, to: u8) {
        let _ = self
            .0
            .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.0.load(Ordering::Relaxed) == IDLE
    }
}

/// The body of a response of the service. hyper drops it when it has the last byte.
#[derive(Debug)]
pub(super) struct TrackedBody<B> {
    body: B,
    exchange: Exchange,
}

/// Follows a response of the service to its end.
pub(super) fn track<B>(response: Response<B>, exchange: Exchange) -> Response<TrackedBody<B>> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        exchange.advance(OPEN, TUNNEL);
    }
    response.map(|body| TrackedBody { body, exchange })
}

impl<B> Drop for TrackedBody<B> {
    fn drop(&mut self) {
        self.exchange.advance(OPEN, ENDING);
    }
}

impl<B: Body + Unpin> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that adds a problem document to hyper's own error responses.
#[derive(Debug)]
pub(super) struct ExplainParseErrors<S> {
    stream: S,
    exchange: Exchange,
    limits: Limits,
    /// The rest of the response that replaces hyper's.
    replacement: Option<Bytes>,
}

impl<S> ExplainParseErrors<S> {
    pub(super) fn new(stream: S, exchange: Exchange, limits: Limits) -> Self {
        ExplainParseErrors {
            stream,
            exchange,
            limits,
            replacement: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> ExplainParseErrors<S> {
    /// Writes the response that replaces `bytes`. `None` if `bytes` are not a response of hyper.
    fn poll_replace(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.replacement.is_none() {
            if !self.exchange.is_idle() {
                return None;
            }
            self.replacement = Some(explain(bytes, &self.limits)?);
        }
        Some(self.poll_replacement(context, bytes.len()))
    }

    fn poll_replacement(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.replacement.as_mut().filter(Buf::has_remaining) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
        }
        self.replacement = None;
        // For hyper, its own response is written.
        Poll::Ready(Ok(length))
    }
}

/// The response with a problem document instead of hyper's `response`. `None` if it is not one of
/// hyper's error responses.
fn explain(response: &[u8], limits: &Limits) -> Option<Bytes> {
    let status = response.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status).ok()?;
    let detail = match status {
        StatusCode::BAD_REQUEST => "this is not an HTTP/1.1 request: the request line must be \
             like `GET /whoami HTTP/1.1`, and each header field like `Name: value`"
            .to_owned(),
        StatusCode::URI_TOO_LONG => {
            "the path and the query are longer than 65,534 bytes; send a shorter URL".to_owned()
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
            "a request may have up to {} header fields, and {} bytes before the body; send a \
             shorter URL, or fewer or shorter fields, for example fewer cookies",
            limits.headers, limits.head_bytes
        ),
        _ => return None,
    };
    let response = Problem::new(status, detail).into_http();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let document = response.into_body().into_inner().unwrap_or_default();
    let length = document.len();
    text.extend(format!("content-length: {length}\r\nconnection: close\r\n\r\n").into_bytes());
    text.extend(document);
    Some(text.into())
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ExplainParseErrors<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_replace(context, bytes) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper's own response is one piece.
        let first = pieces.first().map_or(&[][..], |piece| piece);
        match self.poll_replace(context, first) {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(context, pieces),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has written everything that it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exchange.advance(ENDING, IDLE);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ExplainParseErrors<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const OWN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

    /// Writes hyper's own response after `prepare`. Returns what arrives.
    async fn write_after(prepare: impl AsyncFnOnce(&Exchange)) -> String {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let exchange = Exchange::default();
        let mut stream = ExplainParseErrors::new(ours, exchange.clone(), Limits::default());
        prepare(&exchange).await;
        stream.write_all(OWN).await.unwrap();
        drop(stream);
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        text
    }

    fn response(status: StatusCode) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    }

    #[tokio::test]
    async fn only_responses_of_hyper_are_replaced() {
        let own = write_after(async |_| {}).await;
        assert!(own.contains("application/problem+json"), "{own}");

        let of_service = std::str::from_utf8(OWN).unwrap();
        let during_body = write_after(async |exchange| {
            exchange.begin();
            std::mem::forget(track(response(StatusCode::OK), exchange.clone()));
        });
        assert_eq!(during_body.await, of_service, "the bytes are a body");
        let unwritten = write_after(async |exchange| {
            exchange.begin();
            drop(track(response(StatusCode::OK), exchange.clone()));
        });
        assert_eq!(unwritten.await, of_service, "the bytes may be a rest");
        let tunnel = write_after(async |exchange| {
            exchange.begin();
            drop(track(
                response(StatusCode::SWITCHING_PROTOCOLS),
                exchange.clone(),
            ));
            exchange.advance(ENDING, IDLE);
        });
        assert_eq!(
            tunnel.await,
            of_service,
            "the bytes belong to another protocol"
        );
    }
}
