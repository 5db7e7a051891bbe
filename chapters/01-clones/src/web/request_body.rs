//! The body of a request while the server receives it.
//!
//! A handler may respond before it has read the whole body, for example with a 413. If the server
//! closed the connection then, the kernel would reset it when more bytes arrive. A reset discards
//! what the client has received but not read yet: the response. So the server reads on for a while
//! (RFC 9112, section 9.6; `lingering_close` in nginx).
//!
//! `StallTimer` ends a body that stops or arrives too slowly. A body that is faster than the
//! minimum rate may take as long as it needs.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// How many bytes of an unread body the server discards before it closes the connection.
pub const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How long the server discards an unread body before it closes the connection.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// Why a request body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or the client sent invalid HTTP. No response is possible.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The client is connected, but its body stopped or was too slow: HTTP 408.
    #[error(
        "the request body has stopped or is too slow: the server has waited {0:?} for it; send it again"
    )]
    Stalled(Duration),
    /// A clone has responded without the body (`Expect: 100-continue`). No client sees this.
    #[error("the clone has responded without the request body")]
    NotWanted,
}

/// The body of a request. If it is dropped before its end, a task discards the rest, limited by
/// [`LINGER_BYTES`] and [`LINGER_TIME`].
#[derive(Debug)]
pub struct RequestBody {
    /// `None` after the end or an error.
    rest: Option<Incoming>,
    stall_timer: StallTimer,
    /// False while the client waits for `100 Continue`. It sends nothing yet, so there is nothing
    /// to discard, and reading would ask it to begin.
    lingers: bool,
}

impl RequestBody {
    /// Wraps the body of a request from hyper. `timeout` and `rate` (bytes per second, at least 1)
    /// are [`Limits::body_timeout`] and [`Limits::body_rate`].
    ///
    /// [`Limits::body_timeout`]: super::limits::Limits::body_timeout
    /// [`Limits::body_rate`]: super::limits::Limits::body_rate
    pub fn wrap(request: Request<Incoming>, timeout: Duration, rate: u32) -> Request<RequestBody> {
        let lingers = !request.headers().contains_key(EXPECT);
        request.map(|body| RequestBody {
            rest: (!body.is_end_stream()).then_some(body),
            stall_timer: StallTimer::new(timeout, rate),
            lingers,
        })
    }
}

/// The time that the body may still make its reader wait.
///
/// It is a *token bucket* of seconds. It starts full, waiting drains it, and every received byte
/// refills it at the minimum rate, up to the initial value.
#[derive(Debug)]
struct StallTimer {
    full: Duration,
    rate: u32,
    left: Duration,
    /// When the current wait began, and the timer that ends it.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl StallTimer {
    fn new(full: Duration, rate: u32) -> Self {
        StallTimer {
            full,
            rate: rate.max(1),
            left: full,
            waiting: None,
        }
    }

    /// Resolves when no time is left. Only a body that makes its reader wait needs a timer.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let left = self.left;
        let (_, end) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(end.as_mut().poll(context));
        Poll::Ready(BodyError::Stalled(self.full))
    }

    // ANCHOR: stall-timer
    /// Records that bytes were received.
    fn received(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let refill = Duration::from_micros(1_000_000 * bytes as u64 / u64::from(self.rate));
        self.left = self.full.min(self.left + refill);
    }
    // ANCHOR_END: stall-timer
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // The first poll makes hyper send `100 Continue`, so from here on the client sends.
        self.lingers = true;
        let Some(body) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
            let error = ready!(self.stall_timer.poll_stalled(context));
            self.rest = None;
            return Poll::Ready(Some(Err(error)));
        };
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.rest = None;
        }
        if let Some(Ok(piece)) = &frame {
            self.stall_timer
                .received(piece.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame.map(|piece| piece.map_err(BodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.rest
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(body) = self.rest.take().filter(|_| self.lingers) else {
            return;
        };
        // There is no runtime to spawn on while the runtime itself shuts down.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER_TIME, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Sends pieces of a body, each with a pause before it (in seconds) and a size. Returns the
    /// result for a reader with a time-out of 10 s and a rate of 512 bytes per second, and the
    /// seconds that it took.
    async fn read(pieces: Vec<(u64, usize)>) -> (String, u64) {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let service = service_fn(|request| async {
            let body = RequestBody::wrap(request, Duration::from_secs(10), 512).into_body();
            let outcome = match body.collect().await {
                Ok(body) => format!("read {}", body.to_bytes().len()),
                Err(error) => error.to_string(),
            };
            Ok::<_, Infallible>(http::Response::new(outcome))
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
        let begin = Instant::now();
        let length: usize = pieces.iter().map(|(_, bytes)| bytes).sum();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let (mut receive, mut send) = tokio::io::split(client);
        tokio::spawn(async move {
            for (pause, bytes) in pieces {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                // The server may have closed the connection.
                let _ = send.write_all(&vec![b'x'; bytes]).await;
            }
            std::future::pending::<()>().await;
        });
        let mut response = vec![0; 1024];
        let length = receive.read(&mut response).await.unwrap();
        let response = String::from_utf8_lossy(&response[..length]).into_owned();
        (response, begin.elapsed().as_secs())
    }

    // Paused time: when no task can run, the clock jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn too_slow_body_is_cut() {
        let (too_slow, after) = read(vec![(9, 1); 10_000]).await;
        assert!(
            too_slow.contains("too slow"),
            "one byte every nine seconds is too slow: {too_slow}"
        );
        assert_eq!(
            after, 10,
            "the time-out of 10 s is for the sum of the waits"
        );

        let (slow, after) = read(vec![(9, 9 * 512); 100]).await;
        assert!(
            slow.ends_with("read 460800"),
            "512 bytes per second are allowed for any time: {slow}"
        );
        assert_eq!(after, 900);
    }

    #[tokio::test(start_paused = true)]
    async fn fast_start_extends_no_later_pause() {
        let (stopped, after) = read(vec![(0, 50_000), (11, 50_000)]).await;
        assert!(stopped.contains("has stopped"), "{stopped}");
        assert_eq!(
            after, 10,
            "11 s without a byte are too long, also after a fast start"
        );
    }
}
