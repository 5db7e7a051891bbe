//! The body of a request on its way in, and why a server must read on after it has answered.
//!
//! A handler may answer before it has read the whole body: 413 for an upload that is too large, 401 for one that
//! nobody asked for. If the server then closed the connection while the client still sends, the kernel would answer
//! the bytes that keep coming with a TCP reset, and a reset throws away what the client has received and not read
//! yet: the answer. So the client would see "connection reset" where we said "too large". RFC 9112, section 9.6,
//! describes this; nginx calls the cure `lingering_close`.
//!
//! A client that stops in the middle of its body is not waited for without end either: see [`BodyError::Stalled`].
//!
//! Left out: a limit for how long a whole body may take. One byte every nine seconds keeps a request open.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Sleep;

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
    /// The client is still there, but has not sent a byte for this long. 408 if it can be told.
    #[error("nothing more of the body has come for {0:?}")]
    Stalled(Duration),
}

/// The body of a request. Dropped before its end, it goes on reading in a task of its own for [`LINGER_BYTES`] or
/// [`LINGER_TIME`], whichever is less.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once the end was reached, or an error.
    rest: Option<Incoming>,
    /// How long the next piece may keep us waiting.
    patience: Duration,
    /// Runs while we wait for a piece.
    waiting: Option<Pin<Box<Sleep>>>,
    /// False while a client waits for our `100 Continue`. It sends nothing before, so nothing has to be thrown away,
    /// and reading would ask it to begin.
    lingers: bool,
}

impl RequestBody {
    /// Wraps the body of a request that hyper has received. `patience` is how long each piece of it may take.
    pub fn wrap(request: Request<Incoming>, patience: Duration) -> Request<RequestBody> {
        let lingers = !request.headers().contains_key(EXPECT);
        request.map(|body| RequestBody {
            rest: (!body.is_end_stream()).then_some(body),
            patience,
            waiting: None,
            lingers,
        })
    }
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
            // Only a body that makes us wait costs a timer.
            let patience = self.patience;
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
            ready!(waiting.as_mut().poll(context));
            self.rest = None;
            return Poll::Ready(Some(Err(BodyError::Stalled(patience))));
        };
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.rest = None;
        }
        self.waiting = None;
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
