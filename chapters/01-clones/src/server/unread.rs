//! A client that does not read its answer.
//!
//! The answer fills the kernel's buffers and then ours, and there it would lie for as long as the client likes, with a connection, a
//! request and a clone's connection behind it. hyper has time-outs for reading only, so this stands between it and the socket, and
//! lets a write fail that has waited too long.
//!
//! Left out: a least speed. A client that takes a little in time is served, however long it takes for all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection on which a write may wait only so long until the other side takes something.
#[derive(Debug)]
pub(super) struct Unread<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Unread<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Unread {
            stream,
            patience,
            waiting: None,
        }
    }

    /// What a write came to, or an error if it has come to nothing for too long.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if write.is_ready() {
            self.waiting = None;
            return write;
        }
        // Only a write that waits costs a timer.
        let patience = self.patience;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        tracing::debug!(?patience, "a client does not read its answer");
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // Of a socket these two never wait for the other side.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use super::*;

    // The clock is paused: whenever nothing else can run, it jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_cut_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = Unread::new(ours, Duration::from_secs(30));
        let begin = Instant::now();
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };

        let both = async { tokio::join!(ours.write_all(&[b'x'; 88]), slow).0 };
        // One side would wait for ever for the other if that gave up.
        let written = tokio::time::timeout(Duration::from_hours(1), both).await;
        assert!(
            matches!(written, Ok(Ok(()))),
            "200 s, but never 30 s without a byte: {written:?}"
        );
        assert_eq!(begin.elapsed().as_secs(), 200);

        let stopped = ours.write_all(b"more").await.unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            begin.elapsed().as_secs(),
            230,
            "the limit counts from the last write"
        );
    }
}
