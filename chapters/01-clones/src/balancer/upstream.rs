//! One clone seen from the balancer: its address, its pool of open connections, and the requests that it has in flight.
//!
//! A new TCP connection for each request would cost a round trip and a port, so connections are kept and used again.
//! The pool is a stack: the connection used last is used next, so that under light load the others grow old and are
//! closed. How a request goes over a connection stands in [`send`](super::send); how the clone is doing, in
//! [`members`](super::members).
//!
//! Left out: opening connections before they are needed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::upload::Upload;

/// A clone that requests can be sent to.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    addr: SocketAddr,
    weight: AtomicU32,
    /// Open connections that nobody uses, oldest first.
    idle: Mutex<VecDeque<Idle>>,
    in_flight: AtomicUsize,
    /// Told when the last request in flight has ended.
    is_quiet: Notify,
    /// Told when there is no hope any more that this clone answers.
    given_up: Notify,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

impl Upstream {
    /// A clone at this address. The name is for people: status, logs and messages. No two clones may have the same.
    pub fn new(name: impl Into<String>, addr: SocketAddr) -> Self {
        Upstream {
            name: name.into(),
            addr,
            weight: AtomicU32::new(1),
            idle: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            is_quiet: Notify::new(),
            given_up: Notify::new(),
        }
    }

    /// The same with a weight: how much it can carry, compared with the others. 0 counts as 1.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        self.set_weight(weight);
        self
    }

    /// The name given to [`new`](Upstream::new).
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// True if it had another weight.
    pub(super) fn set_weight(&self, weight: u32) -> bool {
        let weight = weight.max(1);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Resolves when no request is in flight.
    pub(super) async fn quiet(&self) {
        loop {
            // First listen, then look: what ends in between is heard.
            let quiet = self.is_quiet.notified();
            if self.in_flight() == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Tells whoever waits for an answer of this clone that none may come.
    pub(super) fn give_up(&self) {
        self.given_up.notify_waiters();
    }

    /// Resolves at the first [`give_up`](Self::give_up) after this call.
    pub(super) fn given_up(&self) -> Notified<'_> {
        self.given_up.notified()
    }

    /// The connection that was used last and still works, if any.
    pub(super) async fn checkout(&self, max_idle: Duration) -> Option<SendRequest<Upload>> {
        loop {
            let mut idle = self.pop_idle(max_idle)?;
            // Waits for a moment only: the response has been read to its end, but the connection's own task may not
            // have got round to noting that. An error means that the clone has closed it.
            if idle.sender.ready().await.is_ok() {
                return Some(idle.sender);
            }
        }
    }

    fn pop_idle(&self, max_idle: Duration) -> Option<Idle> {
        let mut pool = self
            .idle
            .lock()
            .expect("no code panics while it holds this lock");
        while pool
            .front()
            .is_some_and(|oldest| oldest.since.elapsed() >= max_idle)
        {
            pool.pop_front();
        }
        pool.pop_back()
    }

    /// Takes a connection back whose last exchange is complete in both directions.
    pub(super) fn checkin(&self, sender: SendRequest<Upload>) {
        if !sender.is_closed() {
            let since = Instant::now();
            let mut pool = self
                .idle
                .lock()
                .expect("no code panics while it holds this lock");
            pool.push_back(Idle { sender, since });
        }
    }
}

/// A request that a clone has and has not finished. It ends when this is dropped, however that comes about: a client that
/// leaves drops its request in the middle.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Upstream>);

impl InFlight {
    pub(super) fn begin(upstream: &Arc<Upstream>) -> Self {
        upstream.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight(Arc::clone(upstream))
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.is_quiet.notify_waiters();
        }
    }
}
