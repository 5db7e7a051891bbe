//! One clone as the balancer sees it: its address, its connections, and its requests in flight.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::pool::ConnectionPool;

/// A clone that the balancer can send requests to.
#[derive(Debug)]
pub struct Upstream {
    name: String,
    addr: SocketAddr,
    weight: AtomicU32,
    pool: ConnectionPool,
    in_flight: AtomicUsize,
    /// Notified when the last request in flight has ended.
    became_idle: Notify,
    /// Notified when the clone's probes fail.
    went_down: Notify,
}

impl Upstream {
    /// A clone at this address. Its name appears in the status, in logs and in messages; two clones
    /// of a balancer must not have the same name.
    pub fn new(name: impl Into<String>, addr: SocketAddr) -> Self {
        Upstream {
            name: name.into(),
            addr,
            weight: AtomicU32::new(1),
            pool: ConnectionPool::default(),
            in_flight: AtomicUsize::new(0),
            became_idle: Notify::new(),
            went_down: Notify::new(),
        }
    }

    /// Sets the weight: the clone's capacity, compared with the other clones. 0 counts as 1.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        self.set_weight(weight);
        self
    }

    /// The name given to [`new`](Upstream::new).
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn pool(&self) -> &ConnectionPool {
        &self.pool
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// True if the clone had another weight before.
    pub(super) fn set_weight(&self, weight: u32) -> bool {
        let weight = weight.max(1);
        self.weight.swap(weight, Ordering::Relaxed) != weight
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn begin_request(&self) {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end_request(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.became_idle.notify_waiters();
        }
    }

    // ANCHOR: idle
    /// Resolves when no request is in flight.
    pub(crate) async fn wait_until_idle(&self) {
        loop {
            // Registered before the count is read, so that no notification is missed.
            let became_idle = self.became_idle.notified();
            if self.in_flight() == 0 {
                return;
            }
            became_idle.await;
        }
    }
    // ANCHOR_END: idle

    /// Tells the requests that wait for a response of this clone that its probes fail.
    pub(super) fn notify_down(&self) {
        self.went_down.notify_waiters();
    }

    /// Resolves when the clone's probes fail, if that happens after this call.
    pub(crate) fn went_down(&self) -> Notified<'_> {
        self.went_down.notified()
    }
}
