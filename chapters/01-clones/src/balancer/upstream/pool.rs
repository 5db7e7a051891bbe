//! The pool of open connections to one clone.
//!
//! A new TCP connection for each request would cost a round trip and a port. The pool is a stack:
//! the connection that was used last is used next. Under light load the others time out.
//!
//! Left out: opening connections before they are needed.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::replay_body::ReplayBody;

/// Open connections that no request uses, oldest first.
#[derive(Debug, Default)]
pub(crate) struct ConnectionPool(Mutex<VecDeque<IdleConnection>>);

#[derive(Debug)]
struct IdleConnection {
    sender: SendRequest<ReplayBody>,
    since: Instant,
}

impl ConnectionPool {
    /// The connection that was used last and still works, if any. Connections that were unused for
    /// `max_idle` are closed.
    pub(super) async fn take(&self, max_idle: Duration) -> Option<SendRequest<ReplayBody>> {
        loop {
            let mut idle = self.pop(max_idle)?;
            // The last response has been read to its end, but the connection's own task may need a
            // moment to notice. An error means that the clone has closed the connection.
            if idle.sender.ready().await.is_ok() {
                return Some(idle.sender);
            }
        }
    }

    fn pop(&self, max_idle: Duration) -> Option<IdleConnection> {
        let mut connections = self.0.lock();
        while connections
            .front()
            .is_some_and(|oldest| oldest.since.elapsed() >= max_idle)
        {
            connections.pop_front();
        }
        connections.pop_back()
    }

    /// Takes a connection back. Its last exchange must be complete in both directions.
    pub(crate) fn put_back(&self, sender: SendRequest<ReplayBody>) {
        if !sender.is_closed() {
            let since = Instant::now();
            self.0.lock().push_back(IdleConnection { sender, since });
        }
    }
}
