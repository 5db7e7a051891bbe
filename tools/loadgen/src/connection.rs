//! One connection to the target: [`Connection`] sends a request, reads the whole response, and
//! stays open for the next request (keep-alive).
//!
//! It uses hyper's HTTP/1 connection instead of a client with a pool, because a pool decides by
//! itself how many connections it opens, and here their number is the load. It retries nothing: a
//! request without a response is an error, also where a browser would retry.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::request::Request;
use crate::target::Target;

/// The pause after a refused connection. Without it, a closed loop would count tens of thousands of
/// failures per second while the server is down.
pub(crate) const CONNECT_RETRY_DELAY: Duration = Duration::from_millis(10);

/// At most one open connection. The first request opens it, and so does the first one after a
/// failure.
pub(crate) struct Connection {
    target: Target,
    open: Option<Open>,
}

/// A TCP connection and the task that drives it. Dropping this ends the task.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortOnDropHandle<()>,
}

/// Why a request got no response. The connection is closed in every case.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The server does not listen, or this machine has no free port.
    #[error("could not connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke before the response was complete.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The response was not complete in time.
    #[error("no response in time")]
    TimedOut,
}

impl Connection {
    pub(crate) fn new(target: Target) -> Self {
        Connection { target, open: None }
    }

    /// Sends `request` and reads the whole response. Returns its status.
    pub(crate) async fn exchange(
        &mut self,
        request: Request,
        deadline: Instant,
    ) -> Result<u16, TransportError> {
        if Instant::now() >= deadline {
            // The request waited in the queue past its deadline. Sending it now would only add
            // load.
            return Err(TransportError::TimedOut);
        }
        let request = request.for_target(&self.target);
        let outcome = match timeout_at(deadline, self.try_exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(TransportError::TimedOut),
        };
        if outcome.is_err() {
            // A late response must not be taken for the response to the next request.
            self.close().await;
        }
        outcome
    }

    async fn try_exchange(
        &mut self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<u16, TransportError> {
        let response = self.sender().await?.send_request(request).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok(status)
    }

    /// The open connection, or a new one if the server has closed it while it was idle. If the
    /// server closes it while a request is on its way, that is an error.
    async fn sender(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, TransportError> {
        if let Some(open) = &mut self.open
            && open.sender.ready().await.is_err()
        {
            self.close().await;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::connect(&self.target).await?,
        };
        Ok(&mut self.open.insert(open).sender)
    }

    /// Closes the socket and waits for that, so that the next connection does not exceed the
    /// number.
    async fn close(&mut self) {
        if let Some(Open { sender, driver }) = self.open.take() {
            drop(sender);
            driver.abort();
            // The result is always "cancelled".
            let _ = driver.await;
        }
    }
}

impl Open {
    async fn connect(target: &Target) -> Result<Self, TransportError> {
        let stream = TcpStream::connect(&target.addresses[..])
            .await
            .map_err(TransportError::Connect)?;
        // Nagle's algorithm would hold a small write back for up to 40 ms, until the previous one
        // is acknowledged.
        stream.set_nodelay(true).map_err(TransportError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // `sender` returns an error of the connection to the affected request.
            let _ = connection.await;
        }));
        sender.ready().await?;
        Ok(Open { sender, driver })
    }
}
