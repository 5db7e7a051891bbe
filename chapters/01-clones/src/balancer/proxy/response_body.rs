//! The body of a response on its way to the client, and what happens to the clone's connection.
//!
//! If the clone sends nothing for too long, the balancer cuts the response off, and the client sees
//! that it is not complete. Only the pauses count, so an event stream may last for days if the
//! clone sends heartbeats.
//!
//! Left out: a minimum rate, and an effect on the clone's health. A clone that sends one byte per
//! minute keeps its client waiting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Sleep;

use crate::balancer::upstream::{InFlightGuard, ReplayBody, UploadProgress};

/// The body of a clone's response, or of a problem document of the balancer.
pub type ResponseBody = Either<UpstreamBody, Full<Bytes>>;

/// Why the rest of a response body does not come.
#[derive(Debug, thiserror::Error)]
pub enum ResponseBodyError {
    /// The connection broke, or the bytes are not HTTP.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The connection is open, but the clone has sent nothing for this long.
    #[error("the clone has sent no more of its response for {0:?}")]
    TimedOut(Duration),
}

/// The body of a clone's response. It holds the clone's connection and counts as in flight.
///
/// At its end, the connection returns to the pool. If it is dropped earlier, because the client has
/// left, the connection is closed: HTTP/1.1 has no other way to tell the clone to stop.
#[derive(Debug)]
pub struct UpstreamBody {
    body: Incoming,
    /// `None` after the end of the body, or after an error.
    connection: Option<(SendRequest<ReplayBody>, InFlightGuard)>,
    upload: UploadProgress,
    read_timeout: Duration,
    /// The time-out of the piece that the client waits for.
    pending_read: Option<Pin<Box<Sleep>>>,
}

impl UpstreamBody {
    pub(super) fn new(
        body: Incoming,
        sender: SendRequest<ReplayBody>,
        upload: UploadProgress,
        in_flight: InFlightGuard,
        read_timeout: Duration,
    ) -> Self {
        let mut body = UpstreamBody {
            body,
            connection: Some((sender, in_flight)),
            upload,
            read_timeout,
            pending_read: None,
        };
        // hyper never polls an empty body.
        if body.body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Resolves when the clone has sent nothing for too long. The timer exists only while the
    /// client waits.
    fn poll_timeout(&mut self, context: &mut Context<'_>) -> Poll<ResponseBodyError> {
        let read_timeout = self.read_timeout;
        let timer = self
            .pending_read
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(read_timeout)));
        ready!(timer.as_mut().poll(context));
        if let Some((_, in_flight)) = self.connection.take() {
            let upstream = in_flight.upstream().name();
            tracing::warn!(upstream, ?read_timeout, "the response body timed out");
        }
        Poll::Ready(ResponseBodyError::TimedOut(read_timeout))
    }

    /// Ends the request, and returns the connection to the pool if the upload is complete too.
    fn finish(&mut self) {
        if let Some((sender, in_flight)) = self.connection.take()
            && self.upload.is_complete()
        {
            in_flight.upstream().pool().put_back(sender);
        }
        self.upload.end_response();
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        self.upload.end_response();
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return self.poll_timeout(context).map(|error| Some(Err(error)));
        };
        self.pending_read = None;
        match &frame {
            Some(Err(_)) => drop(self.connection.take()),
            None => self.finish(),
            Some(Ok(_)) if self.body.is_end_stream() => self.finish(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|piece| piece.map_err(ResponseBodyError::Broken)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, Version};
    use http_body_util::BodyExt;
    use hyper::client::conn::http1::handshake;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;
    use crate::balancer::upstream::Upstream;

    /// What a client got of a response.
    struct Received {
        pieces: usize,
        end: Result<(), ResponseBodyError>,
        /// The balancer has closed its connection to the clone.
        is_closed: bool,
    }

    /// Reads a response whose pieces come after these pauses, in seconds. The limit is 60 s.
    async fn read(pauses: Vec<u64>) -> Received {
        let (balancer, mut clone) = tokio::io::duplex(1024);
        let (mut sender, connection) = handshake(TokioIo::new(balancer)).await.unwrap();
        tokio::spawn(connection);
        let clone = tokio::spawn(async move {
            let _ = clone.read(&mut [0; 1024]).await.unwrap();
            clone
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await
                .unwrap();
            for pause in pauses {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(pause)) => {}
                    end = clone.read_u8() => return end.is_err(),
                }
                clone.write_all(b"1\r\n.\r\n").await.unwrap();
            }
            let _ = clone.write_all(b"0\r\n\r\n").await;
            false
        });
        let mut request = Request::new(ReplayBody::empty());
        *request.version_mut() = Version::HTTP_11;
        let response = sender.try_send_request(request).await.unwrap();
        let upstream = Arc::new(Upstream::new("clone-1", ([127, 0, 0, 1], 1).into()));
        let mut body = UpstreamBody::new(
            response.into_body(),
            sender,
            ReplayBody::empty().progress(),
            InFlightGuard::new(&upstream),
            Duration::from_mins(1),
        );
        let mut pieces = 0;
        let end = loop {
            match body.frame().await {
                Some(Ok(_)) => pieces += 1,
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        assert_eq!(
            upstream.in_flight(),
            0,
            "the response has ended, so its request is not in flight"
        );
        drop(body);
        let is_closed = clone.await.unwrap();
        Received {
            pieces,
            end,
            is_closed,
        }
    }

    // The clock is paused: when no task can run, tokio moves it to the next timer.
    #[tokio::test(start_paused = true)]
    async fn heartbeats_keep_a_response_alive() {
        let begin = Instant::now();
        let received = read(vec![50; 100]).await;
        assert!(received.end.is_ok(), "{:?}", received.end);
        assert_eq!(received.pieces, 100);
        assert_eq!(begin.elapsed().as_secs(), 5000);

        let silent = read(vec![1, 1, 3600]).await;
        assert!(
            matches!(silent.end, Err(ResponseBodyError::TimedOut(_))),
            "after {} pieces: {:?}",
            silent.pieces,
            silent.end
        );
        assert_eq!(
            (silent.pieces, begin.elapsed().as_secs()),
            (2, 5062),
            "the limit of 60 s counts from the last piece"
        );
        assert!(
            silent.is_closed,
            "the clone does not notice that its response was cut off"
        );
    }
}
