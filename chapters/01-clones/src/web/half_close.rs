//! Closes the connection of a client that has probably left during a request.
//!
//! A client may end its side of the connection after the request and still read the response
//! (*half-close*). For the server this looks like a client that has left: TCP sends the same `FIN`.
//! Only a write shows the difference, because a client that has left answers it with a reset. So
//! the server goes on for a while, and gives up if it has nothing to write for that time. A reset
//! ends the connection at once.
//!
//! hyper either takes each `FIN` for a client that has left, or does not look for it during a
//! request (`half_close`). The servers of this workshop use the second and this wrapper.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A connection that fails when the client has closed its side and nothing was sent for the
/// time-out.
#[derive(Debug)]
pub(super) struct HalfCloseTimeout {
    stream: TcpStream,
    timeout: Duration,
    /// Runs from the client's `FIN`, and again from each write.
    timer: Option<Pin<Box<Sleep>>>,
    /// The owner of the connection has read to the `FIN`, and decides what follows.
    is_end_read: bool,
}

impl HalfCloseTimeout {
    pub(super) fn new(stream: TcpStream, timeout: Duration) -> Self {
        HalfCloseTimeout {
            stream,
            timeout,
            timer: None,
            is_end_read: false,
        }
    }

    /// Resolves when the client has reset the connection, or has probably left.
    fn poll_disconnect(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.timer.is_none() {
            let mut byte = [0];
            match ready!(self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte))) {
                Ok(0) => {}
                // The next request waits here. The server notices a `FIN` behind it later.
                Ok(_) => return Poll::Pending,
                Err(reset) => return Poll::Ready(reset),
            }
        }
        let timeout = self.timeout;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(timer.as_mut().poll(context));
        tracing::debug!(?timeout, "a client has closed its side, and got nothing");
        Poll::Ready(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the client has closed its side of the connection",
        ))
    }

    fn after_write(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Poll::Ready(Ok(_)), Some(timer)) = (&write, &mut self.timer) {
            timer.as_mut().reset(Instant::now() + self.timeout);
        }
        write
    }
}

impl AsyncWrite for HalfCloseTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.after_write(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    // hyper flushes each time when it works on the connection, also while it waits for a response.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_end_read
            && let Poll::Ready(error) = self.poll_disconnect(context)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for HalfCloseTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, has_room) = (buffer.filled().len(), buffer.remaining() > 0);
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if matches!(read, Poll::Ready(Ok(()))) && has_room && buffer.filled().len() == before {
            self.is_end_read = true;
        }
        read
    }
}
