//! What the balancer knows about one clone of the set.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::histogram::Histogram;
use super::status::UpstreamStatus;
use crate::balancer::health::{HealthPolicy, HealthState, HealthTracker, Outcome};
use crate::balancer::strategy::{Candidate, LatencyEstimate};
use crate::balancer::upstream::server::Upstream;

/// One clone of the set, with its health, its latency and its counters.
#[derive(Debug)]
pub(super) struct Member {
    /// Grows with each clone that is added, and is never used again.
    pub(super) id: u64,
    pub(super) upstream: Arc<Upstream>,
    pub(super) health: HealthTracker,
    pub(super) is_draining: bool,
    pub(super) retries: u64,
    latency: LatencyEstimate,
    requests: u64,
    failures: u64,
    errors: u64,
    response_times: Histogram,
}

impl Member {
    pub(super) fn new(id: u64, upstream: Upstream, health: HealthTracker, now: Instant) -> Self {
        Member {
            id,
            upstream: Arc::new(upstream),
            health,
            is_draining: false,
            retries: 0,
            latency: LatencyEstimate::new(now),
            requests: 0,
            failures: 0,
            errors: 0,
            response_times: Histogram::default(),
        }
    }

    /// Counts an attempt. The health is recorded separately.
    pub(super) fn count(&mut self, outcome: Outcome, elapsed: Duration, now: Instant) {
        self.requests += u64::from(outcome != Outcome::ConnectFailed);
        match outcome {
            Outcome::ConnectFailed | Outcome::NoResponse => self.failures += 1,
            Outcome::ServerError => self.errors += 1,
            Outcome::Success | Outcome::Inconclusive => {}
        }
        if matches!(outcome, Outcome::Success | Outcome::ServerError) {
            self.response_times.observe(elapsed);
        }
        match outcome {
            Outcome::Success => self.latency.observe(elapsed, now),
            Outcome::Inconclusive => {}
            Outcome::ServerError | Outcome::ConnectFailed | Outcome::NoResponse => {
                self.latency.penalise(elapsed, now);
            }
        }
    }

    pub(super) fn candidate(&self, now: Instant) -> Candidate<'_> {
        Candidate {
            id: self.id,
            name: self.upstream.name(),
            weight: self.upstream.weight(),
            in_flight: self.upstream.in_flight(),
            latency: self.latency.estimate(now),
        }
    }

    pub(super) fn status(&self, policy: &HealthPolicy, now: Instant) -> UpstreamStatus {
        let state = if self.is_draining {
            HealthState::Draining
        } else {
            self.health.state(policy, now)
        };
        UpstreamStatus {
            name: self.upstream.name().to_owned(),
            addr: self.upstream.addr(),
            weight: self.upstream.weight(),
            state,
            is_up: matches!(
                state,
                HealthState::Up | HealthState::SlowStart | HealthState::Spared
            ),
            in_flight: self.upstream.in_flight(),
            requests: self.requests,
            failures: self.failures,
            errors: self.errors,
            ejections: self.health.ejections,
            retries: self.retries,
            latency: self.latency.estimate(now),
            response_times: self.response_times.clone(),
        }
    }
}
