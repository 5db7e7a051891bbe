//! Closes the connection of a client that does not read its response.
//!
//! Such a response fills the kernel's buffers and then the server's, and keeps a connection, a
//! request and a clone busy. hyper has time-outs for reading only, so this wrapper stands between
//! hyper and the socket. There is no minimum rate: a client that reads a little within every
//! time-out is served.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection whose writes fail when the other side has accepted nothing for the time-out.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// Runs while a write is pending.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, timeout: Duration) -> Self {
        WriteTimeout {
            stream,
            timeout,
            timer: None,
        }
    }

    /// Returns the result of a write, or an error if it has been pending for too long.
    fn poll_timeout(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if write.is_ready() {
            self.timer = None;
            return write;
        }
        // Only a pending write needs a timer.
        let timeout = self.timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(context));
        tracing::debug!(?timeout, "a client does not read its response");
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read the response",
        )))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_timeout(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.poll_timeout(context, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // On a socket these two never wait for the other side.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
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

    // Paused time: when no task can run, the clock jumps to the next timer.
    #[tokio::test(start_paused = true)]
    async fn stalled_reader_is_cut_and_slow_one_served() {
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut ours = WriteTimeout::new(ours, Duration::from_secs(30));
        let begin = Instant::now();
        let slow = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
        };

        let both = async { tokio::join!(ours.write_all(&[b'x'; 88]), slow).0 };
        // If one side failed, the other would wait for ever.
        let written = tokio::time::timeout(Duration::from_hours(1), both).await;
        assert!(
            matches!(written, Ok(Ok(()))),
            "each pause is shorter than the time-out of 30 s: {written:?}"
        );
        assert_eq!(begin.elapsed().as_secs(), 200);

        let stopped = ours.write_all(b"more").await.unwrap_err();
        assert_eq!(stopped.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            begin.elapsed().as_secs(),
            230,
            "the time-out counts from the last write"
        );
    }
}
