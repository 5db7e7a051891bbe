//! The body of a request on its way in, and why a server must read on after it has answered.
//!
//! A handler may answer before it has read the whole body: 413 for an upload that is too large, 401 for one that
//! nobody asked for. If the server then closed the connection while the client still sends, the kernel would answer
//! the bytes that keep coming with a TCP reset, and a reset throws away what the client has received and not read
//! yet: the answer. So the client would see "connection reset" where we said "too large". RFC 9112, section 9.6,
//! describes this; nginx calls the cure `lingering_close`.
//!
//! Left out: a limit for how slowly a body may arrive while somebody is reading it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::EXPECT;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of an unwanted body is read and thrown away before the connection is closed after all.
pub const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How long an unwanted body is read at most.
pub const LINGER_TIME: Duration = Duration::from_secs(2);

/// The body of a request. Dropped before its end, it goes on reading in a task of its own for [`LINGER_BYTES`] or
/// [`LINGER_TIME`], whichever is less.
#[derive(Debug)]
pub struct RequestBody {
    /// `None` once the end was reached, or an error.
    rest: Option<Incoming>,
    /// False while a client waits for our `100 Continue`. It sends nothing before, so nothing has to be thrown away,
    /// and reading would ask it to begin.
    lingers: bool,
}

impl RequestBody {
    /// Wraps the body of a request that hyper has received.
    pub fn wrap(request: Request<Incoming>) -> Request<RequestBody> {
        let lingers = !request.headers().contains_key(EXPECT);
        request.map(|body| RequestBody {
            rest: (!body.is_end_stream()).then_some(body),
            lingers,
        })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // From here on a client that waited for `100 Continue` has it, and sends.
        self.lingers = true;
        let Some(body) = self.rest.as_mut() else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            self.rest = None;
        }
        Poll::Ready(frame)
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
