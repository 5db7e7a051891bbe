//! The load balancer: one address for the outside, several clones behind it.
//!
//! A request enters at [`run`] and walks through `forward`. `headers` says what of its head may pass. `members` chooses a clone:
//! a [`strategy`] says which, `health` says which not, `probe` asks the clones how they are. `send` makes one attempt
//! over a connection of an `upstream`, and `retry` says whether there may be another one. `upload` watches the body on the way up and
//! `pooled` the answer on the way down; `upgrade` carries what is no HTTP any more. `fleet` adds clones and takes them away while
//! requests come, and `config` does so when a file says so;
//! [`admin`] is the door for those who look after it, and [`metrics`] is what it tells Prometheus.
//!
//! Left out: TLS, and HTTP/2.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use http::Request;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::web::limits::Limits;
use crate::web::request_body::RequestBody;
use crate::web::server;

pub mod admin;
mod config;
mod fleet;
mod forward;
mod headers;
mod health;
mod members;
pub mod metrics;
mod pooled;
mod probe;
mod retry;
mod send;
mod status;
pub mod strategy;
mod upgrade;
mod upload;
mod upstream;

pub use config::{Config, ConfigError, UpstreamConfig};
pub use fleet::FleetError;
pub use forward::ResponseBody;
pub use health::{HealthPolicy, State};
pub use pooled::{AnswerError, PooledBody};
pub use probe::Probes;
pub(crate) use probe::answers;
pub use retry::RetryPolicy;
pub use status::UpstreamStatus;
pub use upstream::Upstream;

use members::Members;
use retry::Budget;
use strategy::Strategy;
use upgrade::Tunnels;

/// How long the balancer waits for a clone, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Until a TCP connection stands. A machine that is switched off does not refuse, it is silent.
    #[serde(with = "humantime_serde")]
    pub connect: Duration,
    /// From the last byte of the request to the end of the response's head. Then the client gets a 504, or another clone gets
    /// the request.
    #[serde(with = "humantime_serde")]
    pub response: Duration,
    /// From the request's head to the response's, all attempts together. The time in which a client sends a body does not count.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// How long a clone may be silent between two pieces of its answer. Then the answer is cut. A stream of events needs a heart-beat
    /// more often than this.
    #[serde(with = "humantime_serde")]
    pub gap: Duration,
    /// How long a connection may lie unused in the pool. It must be less than the clones' own limit
    /// ([`Limits::head_timeout`]), or we would often send into a connection that the clone is just closing.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How long a WebSocket may be silent in both directions. Chats send a sign of life more often than that.
    #[serde(with = "humantime_serde")]
    pub tunnel: Duration,
}

impl Default for Timeouts {
    /// 1 s to connect, 30 s to answer, 45 s for all attempts, 60 s of silence in an answer, 5 s idle; 10 min for a silent
    /// WebSocket.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(1),
            response: Duration::from_secs(30),
            total: Duration::from_secs(45),
            gap: Duration::from_mins(1),
            idle: Duration::from_secs(5),
            tunnel: Duration::from_mins(10),
        }
    }
}

/// A set of clones, and what decides which of them gets a request.
#[derive(Debug)]
pub struct Balancer {
    members: Mutex<Members>,
    /// Each request takes those of its first moment along to its end.
    rules: RwLock<Arc<Rules>>,
    budget: Mutex<Budget>,
    tunnels: Tunnels,
}

/// What a request on its way looks up. It can be exchanged while requests come.
#[derive(Clone, Debug)]
struct Rules {
    timeouts: Timeouts,
    /// How often one request is sent at most, the first time included.
    sends: u32,
    probes: Option<Probes>,
    /// Proxies whose word about a request's origin is believed.
    trusted: Vec<IpAddr>,
}

impl Balancer {
    /// A balancer over these clones. They take turns, and nobody probes them; the `with_…` functions change that.
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        let retries = RetryPolicy::default();
        Balancer {
            members: Mutex::new(Members::new(upstreams, rand::random())),
            rules: RwLock::new(Arc::new(Rules {
                timeouts: Timeouts::default(),
                sends: retries.sends,
                probes: None,
                trusted: Vec::new(),
            })),
            budget: Mutex::new(Budget::new(retries, Instant::now())),
            tunnels: Tunnels::default(),
        }
    }

    /// The same with other time-outs.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.change(|rules| rules.timeouts = timeouts);
        self
    }

    /// The same with another way to choose a clone.
    #[must_use]
    pub fn with_strategy(self, strategy: Box<dyn Strategy>) -> Self {
        self.members().strategy = strategy;
        self
    }

    /// The same with other rules about sick clones.
    #[must_use]
    pub fn with_health(self, policy: HealthPolicy) -> Self {
        self.members().policy = policy;
        self
    }

    /// The same with active health checks, for as long as [`run`] runs.
    #[must_use]
    pub fn with_probes(self, probes: Probes) -> Self {
        self.change(|rules| rules.probes = Some(probes));
        self
    }

    /// The same behind proxies at these addresses: what they say of where a request came from is kept, and continued.
    #[must_use]
    pub fn with_trusted(self, proxies: Vec<IpAddr>) -> Self {
        self.change(|rules| rules.trusted = proxies);
        self
    }

    /// The same with other rules about sending again.
    #[must_use]
    pub fn with_retries(self, policy: RetryPolicy) -> Self {
        self.change(|rules| rules.sends = policy.sends.max(1));
        self.budget().policy = policy;
        self
    }

    /// The same with a limit on the requests that one clone may have in flight. What is above goes to the others, and when all
    /// are full, it is refused at once with a 503: a queue would only make everybody wait.
    #[must_use]
    pub fn with_max_in_flight(self, requests: usize) -> Self {
        self.members().max_in_flight = requests;
        self
    }

    /// How each clone is doing, in the order in which they were given.
    pub fn status(&self) -> Vec<UpstreamStatus> {
        self.members().status(Instant::now())
    }

    /// The rules of this moment. Who has them keeps them, whatever is changed meanwhile.
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(
            &self
                .rules
                .read()
                .expect("no code panics while it holds this lock"),
        )
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) {
        let mut rules = self
            .rules
            .write()
            .expect("no code panics while it holds this lock");
        change(Arc::make_mut(&mut rules));
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members
            .lock()
            .expect("no code panics while it holds this lock")
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

/// How many header fields a client may send. What passes here grows on its way (`via`, `x-forwarded-for` and others), and must
/// still fit into what the clones take. Otherwise the client would be told that a clone is at fault.
const MAX_HEADERS: usize = 100;

/// Serves the balancer on `listener` until `shutdown` resolves and the requests in flight are finished.
pub async fn run(
    listener: TcpListener,
    balancer: Arc<Balancer>,
    shutdown: impl Future<Output = ()> + Send,
) {
    run_with(Limits::default(), listener, balancer, shutdown).await;
}

/// As [`run`], with other limits; but never with more header fields than a clone takes.
pub async fn run_with(
    limits: Limits,
    listener: TcpListener,
    balancer: Arc<Balancer>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let front = Arc::clone(&balancer);
    let service = tower::service_fn(move |request: Request<RequestBody>| {
        let balancer = Arc::clone(&front);
        async move { Ok::<_, Infallible>(balancer.forward(request).await) }
    });
    let limits = Limits {
        headers: limits.headers.min(MAX_HEADERS),
        ..limits
    };
    tokio::select! {
        () = server::run_with(limits, listener, service, shutdown) => {}
        () = balancer.keep_probing() => {}
    }
}
