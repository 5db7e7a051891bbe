//! The body of a response on its way down to the client, and what becomes of the connection that it comes over.
//!
//! A clone that stops in the middle of a body is cut, and with it the answer: the client sees that it is not whole. Only silence counts, so
//! a stream of events may last for days, if the clone sends a heart-beat now and then.
//!
//! Left out: a least speed, and telling the clone's health about it. A clone that sends a byte each minute keeps its client waiting.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Sleep;

use super::upload::{Progress, Upload};
use super::upstream::InFlight;

/// Why the rest of a response's body does not come.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The connection broke, or what came is not HTTP.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// The clone is still there, but has sent nothing for this long.
    #[error("the clone has sent nothing more of its answer for {0:?}")]
    Stalled(Duration),
}

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
    /// How long the clone may be silent.
    gap: Duration,
    /// Runs while we wait for a piece.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl PooledBody {
    pub(super) fn new(
        body: Incoming,
        sender: SendRequest<Upload>,
        upload: Progress,
        in_flight: InFlight,
        gap: Duration,
    ) -> Self {
        let mut body = PooledBody {
            body,
            connection: Some((sender, in_flight)),
            upload,
            gap,
            waiting: None,
        };
        // An empty body is never polled.
        if body.body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Resolves when the clone has been silent for too long. Only a body that makes us wait costs a timer.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<AnswerError> {
        let gap = self.gap;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(gap)));
        ready!(waiting.as_mut().poll(context));
        if let Some((_, in_flight)) = self.connection.take() {
            tracing::warn!(
                upstream = in_flight.upstream().name(),
                ?gap,
                "silent in the middle of an answer"
            );
        }
        Poll::Ready(AnswerError::Stalled(gap))
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
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            return self.poll_silence(context).map(|error| Some(Err(error)));
        };
        self.waiting = None;
        match &frame {
            Some(Err(_)) => drop(self.connection.take()),
            None => self.finish(),
            Some(Ok(_)) if self.body.is_end_stream() => self.finish(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|piece| piece.map_err(AnswerError::Broken)))
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

    use super::super::upstream::Upstream;
    use super::*;

    /// Reads an answer whose pieces come after these pauses, in seconds, with a limit of 60 s. Returns how many came, how it ended, and
    /// whether the clone's connection was closed when it had ended so.
    async fn read(pauses: Vec<u64>) -> (usize, Result<(), AnswerError>, bool) {
        let (ours, mut clone) = tokio::io::duplex(1024);
        let (mut sender, connection) = handshake(TokioIo::new(ours)).await.unwrap();
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
        let mut request = Request::new(Upload::empty());
        *request.version_mut() = Version::HTTP_11;
        let response = sender.try_send_request(request).await.unwrap();
        let upstream = Arc::new(Upstream::new("clone-1", ([127, 0, 0, 1], 1).into()));
        let (progress, in_flight) = (Upload::empty().progress(), InFlight::begin(&upstream));
        let mut body = PooledBody::new(
            response.into_body(),
            sender,
            progress,
            in_flight,
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
            "the request has ended, one way or the other"
        );
        drop(body);
        let closed = clone.await.unwrap();
        (pieces, end, closed)
    }

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_heart_beat_keeps_an_answer_alive_and_silence_ends_it() {
        let begin = Instant::now();
        let (beats, end, _) = read(vec![50; 100]).await;
        assert!(
            (beats, end.is_ok()) == (100, true),
            "{beats} pieces, {end:?}"
        );
        assert_eq!(begin.elapsed().as_secs(), 5000);

        let (pieces, end, closed) = read(vec![1, 1, 3600]).await;
        assert!(
            matches!(end, Err(AnswerError::Stalled(_))),
            "after {pieces} pieces: {end:?}"
        );
        assert_eq!((pieces, begin.elapsed().as_secs()), (2, 5062));
        assert!(closed, "the clone goes on answering nobody");
    }
}
