//! The balancer's shared state, and the active health checks that it runs.
//!
//! All requests share one [`Balancer`]. Operators change it while requests are in flight.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until};

use super::health::{HealthPolicy, ProbePolicy, ProbeResult, probe_once};
use super::retry::{RetryBudget, RetryPolicy};
use super::strategy::Strategy;
use super::upstream::{Timeouts, Tunnels, Upstream, UpstreamSet, UpstreamStatus};

/// A set of clones, and the settings that decide which clone gets a request.
#[derive(Debug)]
pub struct Balancer {
    upstreams: Mutex<UpstreamSet>,
    /// A request loads the settings once and uses them until it ends.
    settings: ArcSwap<Settings>,
    pub(super) retry_budget: Mutex<RetryBudget>,
    pub(super) tunnels: Tunnels,
    local_errors: AtomicU64,
}

/// The settings that each request reads. The operator can replace them while requests are in
/// flight.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) timeouts: Timeouts,
    /// How often one request is sent at most, the first attempt included. At least 1.
    pub(super) max_attempts: u32,
    /// `None` switches the active health checks off.
    pub(super) probes: Option<ProbePolicy>,
    /// The balancer keeps the `X-Forwarded-For` and `Forwarded` headers of these proxies.
    pub(super) trusted_proxies: Vec<IpAddr>,
}

impl Balancer {
    /// A balancer over these clones, with round robin and without active health checks. The
    /// `with_…` functions change the defaults.
    pub fn new(upstreams: Vec<Upstream>) -> Self {
        let retries = RetryPolicy::default();
        Balancer {
            upstreams: Mutex::new(UpstreamSet::new(upstreams, rand::random())),
            settings: ArcSwap::from_pointee(Settings {
                timeouts: Timeouts::default(),
                max_attempts: retries.max_attempts,
                probes: None,
                trusted_proxies: Vec::new(),
            }),
            retry_budget: Mutex::new(RetryBudget::new(retries, Instant::now())),
            tunnels: Tunnels::default(),
            local_errors: AtomicU64::new(0),
        }
    }

    /// Replaces the time-outs.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.change_settings(|settings| settings.timeouts = timeouts);
        self
    }

    /// Replaces the load-balancing strategy.
    #[must_use]
    pub fn with_strategy(self, strategy: Box<dyn Strategy>) -> Self {
        self.upstreams().strategy = strategy;
        self
    }

    /// Replaces the rules for ejecting clones.
    #[must_use]
    pub fn with_health(self, policy: HealthPolicy) -> Self {
        self.upstreams().health_policy = policy;
        self
    }

    /// Switches active health checks on. They start and end together with [`run`](super::run).
    #[must_use]
    pub fn with_probes(self, probes: ProbePolicy) -> Self {
        let probes = Some(probes);
        self.change_settings(|settings| settings.probes.clone_from(&probes));
        self
    }

    /// Trusts the proxies at these addresses: the balancer keeps their `X-Forwarded-For` and
    /// `Forwarded` headers and appends to them.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: &[IpAddr]) -> Self {
        self.change_settings(|settings| settings.trusted_proxies = proxies.to_vec());
        self
    }

    /// Replaces the rules for retries.
    #[must_use]
    pub fn with_retries(self, policy: RetryPolicy) -> Self {
        self.set_retry_policy(policy);
        self
    }

    /// Limits the requests that each clone may have in flight. When all clones are full, the
    /// balancer answers 503 at once, because a queue would slow down all clients.
    #[must_use]
    pub fn with_max_in_flight(self, requests: usize) -> Self {
        self.upstreams().max_in_flight = requests;
        self
    }

    /// The status of each clone, in the order in which the clones were added.
    pub fn status(&self) -> Vec<UpstreamStatus> {
        self.upstreams().status(Instant::now())
    }

    /// How often the balancer itself could not open a connection to a clone, for a request or a
    /// probe: it had no file descriptors, ports or memory left. No clone is to blame.
    pub fn local_errors(&self) -> u64 {
        self.local_errors.load(Ordering::Relaxed)
    }

    pub(super) fn count_local_error(&self) {
        self.local_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Probes all clones once, concurrently, and records the results.
    pub async fn probe_all(&self, policy: &ProbePolicy) {
        let probes = self
            .upstreams()
            .all()
            .into_iter()
            .map(async |(id, upstream)| {
                let result = probe_once(upstream.addr(), &policy.path, policy.timeout).await;
                if result == ProbeResult::Inconclusive {
                    self.count_local_error();
                    return;
                }
                let succeeded = result == ProbeResult::Success;
                self.upstreams().record_probe(id, succeeded, Instant::now());
            });
        join_all(probes).await;
    }

    /// Probes all clones at each interval, for ever. Without [`Balancer::with_probes`] it only
    /// waits.
    pub(super) async fn run_probes(&self) {
        loop {
            let begin = Instant::now();
            // Loaded in each round, because the operator may have changed the settings.
            let policy = self.settings().probes.clone();
            if let Some(policy) = &policy {
                self.probe_all(policy).await;
            }
            let interval = policy.unwrap_or_default().interval;
            // After a pause of the whole machine, missed rounds are skipped.
            sleep_until((begin + interval).max(Instant::now())).await;
        }
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Replaces the settings. Requests in flight keep the old ones.
    pub(super) fn change_settings(&self, change: impl Fn(&mut Settings)) {
        self.settings.rcu(|current| {
            let mut settings = Settings::clone(current);
            change(&mut settings);
            settings
        });
    }

    pub(super) fn set_retry_policy(&self, policy: RetryPolicy) {
        self.change_settings(|settings| settings.max_attempts = policy.max_attempts.max(1));
        self.retry_budget.lock().policy = policy;
    }

    pub(super) fn upstreams(&self) -> MutexGuard<'_, UpstreamSet> {
        self.upstreams.lock()
    }
}
