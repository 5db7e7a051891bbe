//! One connection to the target: [`Connection`], which sends a request, waits for the whole answer, and stays open for the
//! next (keep-alive).
//!
//! It is hyper's bare HTTP/1 connection and no pooling client, because a pool opens as many connections as it pleases, and
//! here their number is the load. Nothing is retried: a request that was sent and not answered is an error, also where
//! a browser would quietly ask again, for a learner wants to see it. Left out: pipelining, which no browser does either.

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

/// The pause after a refused connection. A refusal comes back in microseconds; without a pause a closed loop would
/// "send" tens of thousands of requests a second to a server that is down, and drown the run in its failures.
pub(crate) const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(10);

/// At most one open connection at any time; it is opened by the first request, and again after a failure.
pub(crate) struct Connection {
    target: Target,
    open: Option<Open>,
}

/// A TCP connection and the task that moves its bytes. The task ends with the connection, or with this.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortOnDropHandle<()>,
}

/// Why a request got no answer. Whatever the reason, the connection is closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// Nobody listens there, or the machine is out of ports.
    #[error("could not connect: {0}")]
    Connect(#[source] io::Error),
    /// The connection broke before the answer was complete.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The answer was not complete in time.
    #[error("no answer in time")]
    TimedOut,
}

impl Connection {
    pub(crate) fn new(target: Target) -> Self {
        Connection { target, open: None }
    }

    /// Sends `request` and reads its answer to the end. Returns the answer's status.
    pub(crate) async fn exchange(
        &mut self,
        request: Request,
        deadline: Instant,
    ) -> Result<u16, TransportError> {
        if Instant::now() >= deadline {
            // It waited in the queue until its time was over. Sending it now would only load the server further.
            return Err(TransportError::TimedOut);
        }
        let request = request.for_target(&self.target);
        let outcome = match timeout_at(deadline, self.try_exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(TransportError::TimedOut),
        };
        if outcome.is_err() {
            // An answer that comes too late must not be taken for the answer to the next request.
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

    /// The open connection as soon as it can take a request, or a new one if the server has closed it in the meantime, as
    /// it may: nothing was lost with it. If the server closes it while the request is on its way, that is an error.
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

    /// Closes the socket, and waits until it is closed, so that the next connection is not one too many.
    async fn close(&mut self) {
        if let Some(Open { sender, driver }) = self.open.take() {
            drop(sender);
            driver.abort();
            // It ends as "cancelled"; there is nothing to learn from that.
            let _ = driver.await;
        }
    }
}

impl Open {
    async fn connect(target: &Target) -> Result<Self, TransportError> {
        let stream = TcpStream::connect(&target.addresses[..])
            .await
            .map_err(TransportError::Connect)?;
        // Otherwise Nagle's algorithm holds a small write back until the last one is acknowledged, up to 40 ms later.
        stream.set_nodelay(true).map_err(TransportError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            // An error here reaches the request that it hit, through `sender`.
            let _ = connection.await;
        }));
        sender.ready().await?;
        Ok(Open { sender, driver })
    }
}
