//! The body of a request on its way in, and why a server must read on after it has answered.
//!
//! A handler may answer before it has read the whole body: 413 for an upload that is too large, 401 for one that
//! nobody asked for. If the server then closed the connection while the client still sends, the kernel would answer
//! the bytes that keep coming with a TCP reset, and a reset throws away what the client has received and not read
//! yet: the answer. So the client would see "connection reset" where we said "too large". RFC 9112, section 9.6,
//! describes this; nginx calls the cure `lingering_close`.
//!
//! A client that stops in the middle of its body, or sends a byte now and then to seem alive, is not waited for without end either.
//! Waiting uses patience up, and what arrives wins it back: see [`BodyError::Stalled`].
//!
//! Left out: a limit for how long a whole body may take. Who is faster than the least rate may send for days.

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

/// How much of an unwanted body is read and thrown away before the connection is closed after all.
pub const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How long an unwanted body is read at most.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// Why the rest of a request's body does not come.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke, or what came is not HTTP.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The client is still there, but has sent nothing for this long, or so little all along that waiting for it has cost this much
    /// patience. 408 if it can be told.
    #[error(
        "the body has stopped, or comes so slowly that waiting for it has used up the patience of {0:?}; send it again"
    )]
    Stalled(Duration),
}

/// The body of a request. Dropped before its end, it goes on reading in a task of its own for [`LINGER_BYTES`] or
/// [`LINGER_TIME`], whichever is less.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once the end was reached, or an error.
    rest: Option<Incoming>,
    patience: Patience,
    /// False while a client waits for our `100 Continue`. It sends nothing before, so nothing has to be thrown away,
    /// and reading would ask it to begin.
    lingers: bool,
}

impl RequestBody {
    /// Wraps the body of a request that hyper has received. `patience` is how long it may keep its reader waiting; `rate` bytes win a
    /// second of that back. 0 counts as 1.
    pub fn wrap(request: Request<Incoming>, patience: Duration, rate: u32) -> Request<RequestBody> {
        let lingers = !request.headers().contains_key(EXPECT);
        request.map(|body| RequestBody {
            rest: (!body.is_end_stream()).then_some(body),
            patience: Patience::new(patience, rate),
            lingers,
        })
    }
}

/// How much longer we are willing to wait: a *token bucket* of seconds. It begins full, waiting takes from it, and bytes fill it again, never
/// above what it began with.
#[derive(Debug)]
struct Patience {
    full: Duration,
    rate: u32,
    left: Duration,
    /// Since when we wait for the next piece, and what ends that.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Patience {
    fn new(full: Duration, rate: u32) -> Self {
        Patience {
            full,
            rate: rate.max(1),
            left: full,
            waiting: None,
        }
    }

    /// Resolves when it is used up. Only a body that makes us wait costs a timer.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<BodyError> {
        let left = self.left;
        let (_, end) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(end.as_mut().poll(context));
        Poll::Ready(BodyError::Stalled(self.full))
    }

    // ANCHOR: patience
    /// Notes that this many bytes have come.
    fn earn(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let earned = Duration::from_micros(1_000_000 * bytes as u64 / u64::from(self.rate));
        self.left = self.full.min(self.left + earned);
    }
    // ANCHOR_END: patience
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // From here on a client that waited for `100 Continue` has it, and sends.
        self.lingers = true;
        let Some(body) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
            let error = ready!(self.patience.poll_end(context));
            self.rest = None;
            return Poll::Ready(Some(Err(error)));
        };
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.rest = None;
        }
        if let Some(Ok(piece)) = &frame {
            self.patience.earn(piece.data_ref().map_or(0, Bytes::len));
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
        // While the runtime itself is being shut down there is none to spawn on, and nobody left to be polite to.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER_TIME, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
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

    /// What a reader gets with 10 s of patience and a rate of 512 bytes, and after how many seconds. Each piece has its pause, in
    /// seconds, before it, and its size.
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
        let mut answer = vec![0; 1024];
        let length = receive.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        (answer, begin.elapsed().as_secs())
    }

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_body_of_drops_ends_and_a_large_slow_one_does_not() {
        let (drops, after) = read(vec![(9, 1); 10_000]).await;
        assert!(
            drops.contains("comes so slowly"),
            "a byte every nine seconds: {drops}"
        );
        assert_eq!(after, 10, "the patience of 10 s was for all of the waiting");

        let (slow, after) = read(vec![(9, 9 * 512); 100]).await;
        assert!(
            slow.ends_with("read 460800"),
            "512 bytes per second, for long: {slow}"
        );
        assert_eq!(after, 900);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_beginning_buys_no_longer_silence() {
        let (stopped, after) = read(vec![(0, 50_000), (11, 50_000)]).await;
        assert!(stopped.contains("has stopped"), "{stopped}");
        assert_eq!(
            after, 10,
            "11 s without a byte are too long, however fast it was before"
        );
    }
}
