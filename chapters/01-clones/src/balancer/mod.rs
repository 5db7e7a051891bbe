//! The load balancer: one address for the outside, several clones behind it.
//!
//! A request enters at [`run`] and walks through `forward`; `headers` says what of its head may pass, `upload`
//! watches its body on the way up and `pooled` the answer on the way down, and `upstream` keeps the connections to
//! one clone. Clones take turns (*round robin*). One that cannot be connected to is left out for a second (*passive*
//! health check: it takes a failed request to notice), which costs the client nothing, because the request goes on to
//! the next clone.
//!
//! Left out: other ways to choose, active health checks, weights, retry budgets, draining a clone before it stops,
//! adding clones at run time, WebSocket, and trust in a proxy in front of this one.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::linger::RequestBody;
use crate::server::{self, Limits};

mod forward;
mod headers;
mod pooled;
pub mod strategy;
mod upload;
mod upstream;

pub use forward::ResponseBody;
pub use pooled::PooledBody;
pub use upstream::{Upstream, UpstreamStatus};

/// How long the balancer waits for a clone, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Until a TCP connection stands. A machine that is switched off does not refuse, it is silent.
    pub connect: Duration,
    /// From the last byte of the request to the end of the response's head. Then the client gets a 504.
    pub response: Duration,
    /// How long a clone that refused a connection is left out.
    pub down: Duration,
    /// How long a connection may lie unused in the pool. It must be less than the clones' own limit
    /// ([`server::Limits::head`]), or we would often send into a connection that the clone is just closing.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// 1 s to connect, 30 s to answer, 1 s left out, 5 s idle.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(30),
            down: Duration::from_secs(1),
            idle: Duration::from_secs(5),
        }
    }
}

/// A set of clones that take turns.
#[derive(Debug)]
pub struct Balancer {
    upstreams: Vec<Arc<Upstream>>,
    timeouts: Timeouts,
    /// Counts the turns. The clone whose turn it is: this number modulo the number of clones.
    turn: AtomicUsize,
}

impl Balancer {
    /// A balancer over these clones, with the default [`Timeouts`].
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        Balancer {
            upstreams: upstreams.into_iter().map(Arc::new).collect(),
            timeouts: Timeouts::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The same with other time-outs.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How each clone is doing, in the order in which they were given.
    pub fn status(&self) -> Vec<UpstreamStatus> {
        self.upstreams.iter().map(|upstream| upstream.status()).collect()
    }

    /// The clones to try for one request, in order: one turn around those that are up, then those that are down.
    fn candidates(&self) -> Candidates<'_> {
        Candidates {
            balancer: self,
            position: self.turn.fetch_add(1, Ordering::Relaxed),
            to_visit: self.upstreams.len(),
            down: Vec::new(),
        }
    }
}

struct Candidates<'a> {
    balancer: &'a Balancer,
    position: usize,
    to_visit: usize,
    down: Vec<&'a Arc<Upstream>>,
}

impl<'a> Iterator for Candidates<'a> {
    type Item = &'a Arc<Upstream>;

    fn next(&mut self) -> Option<&'a Arc<Upstream>> {
        while self.to_visit > 0 {
            let upstreams = &self.balancer.upstreams;
            let upstream = &upstreams[self.position % upstreams.len()];
            self.position = self.position.wrapping_add(1);
            self.to_visit -= 1;
            if upstream.admits(Instant::now(), self.balancer.timeouts.down) {
                return Some(upstream);
            }
            self.down.push(upstream);
            // The turn of a clone that is down is used up too. Otherwise the clone after it would always get two.
            self.balancer.turn.fetch_add(1, Ordering::Relaxed);
        }
        // Fail open: believing that all clones are down is worth less than asking them.
        self.down.pop()
    }
}

/// How many header fields a client may send. What passes here grows on its way (`via`, `x-forwarded-for` and others), and must
/// still fit into what the clones take. Otherwise the client would be told that a clone is at fault.
const MAX_HEADERS: usize = 100;

/// Serves the balancer on `listener` until `shutdown` resolves and the requests in flight are finished.
pub async fn run(listener: TcpListener, balancer: Arc<Balancer>, shutdown: impl Future<Output = ()> + Send) {
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let balancer = Arc::clone(&balancer);
        async move { Ok::<_, Infallible>(balancer.forward(request).await) }
    });
    let limits = Limits {
        headers: MAX_HEADERS,
        ..Limits::default()
    };
    server::run_with(limits, listener, service, shutdown).await;
}
