//! The body of a response on its way down to the client, and what becomes of the connection that it comes over.
//!
//! Left out: a time-out between two pieces. A clone that stops in the middle of a body keeps its client waiting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;

use super::upload::{Progress, Upload};
use super::upstream::InFlight;

/// The body of a clone's response. It holds the connection that it comes from.
///
/// Read to its end, it gives the connection back to the pool. Dropped before, which is what the server loop does when
/// the client goes away, it takes the connection along, because HTTP/1.1 has no other way to say "stop": the clone
/// sees its connection close, and need not finish an answer that nobody reads.
#[derive(Debug)]
pub struct PooledBody {
    body: Incoming,
    /// `None` once the connection has been given back. Until then the request is in flight.
    connection: Option<(SendRequest<Upload>, InFlight)>,
    upload: Progress,
}

impl PooledBody {
    pub(super) fn new(body: Incoming, sender: SendRequest<Upload>, upload: Progress, in_flight: InFlight) -> Self {
        let mut body = PooledBody {
            body,
            connection: Some((sender, in_flight)),
            upload,
        };
        // An empty body is never polled.
        if body.body.is_end_stream() {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some((sender, in_flight)) = self.connection.take()
            && self.upload.is_complete()
        {
            in_flight.upstream().checkin(sender);
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Err(_)) => drop(self.connection.take()),
            None => self.finish(),
            Some(Ok(_)) if self.body.is_end_stream() => self.finish(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
