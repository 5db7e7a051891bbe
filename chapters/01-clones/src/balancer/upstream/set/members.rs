//! The set of clones: who is in it, and what each attempt and each probe changes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::member::Member;
use super::status::UpstreamStatus;
use crate::balancer::health::{HealthPolicy, HealthTracker, Outcome};
use crate::balancer::strategy::{RoundRobin, Strategy};
use crate::balancer::upstream::server::Upstream;

/// The clones, and the rules that choose between them.
#[derive(Debug)]
pub(crate) struct UpstreamSet {
    pub(super) members: Vec<Member>,
    pub(crate) strategy: Box<dyn Strategy>,
    pub(crate) health_policy: HealthPolicy,
    /// How many requests one clone may have in flight.
    pub(crate) max_in_flight: usize,
    /// Decides whether a clone in slow start takes part in a choice.
    pub(super) rng: SmallRng,
    next_id: u64,
}

impl UpstreamSet {
    pub(crate) fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        let mut set = UpstreamSet {
            members: Vec::new(),
            strategy: Box::new(RoundRobin::default()),
            health_policy: HealthPolicy::default(),
            max_in_flight: usize::MAX,
            rng: SmallRng::seed_from_u64(seed),
            next_id: 0,
        };
        let now = Instant::now();
        for upstream in upstreams {
            // No slow start: the caches of all clones are empty.
            set.insert(upstream, HealthTracker::default(), now);
        }
        set
    }

    fn insert(&mut self, upstream: Upstream, health: HealthTracker, now: Instant) {
        self.members
            .push(Member::new(self.next_id, upstream, health, now));
        self.next_id += 1;
    }

    /// Adds clones to the running ones. If a name is taken, adds none and returns that name.
    pub(crate) fn add(&mut self, upstreams: Vec<Upstream>, now: Instant) -> Result<(), String> {
        if let Some(taken) = upstreams
            .iter()
            .find(|upstream| self.by_name(upstream.name()).is_some())
        {
            return Err(taken.name().to_owned());
        }
        let are_first = self.members.is_empty();
        for upstream in upstreams {
            let health = if are_first {
                HealthTracker::default()
            } else {
                HealthTracker::with_slow_start(now)
            };
            self.insert(upstream, health, now);
        }
        Ok(())
    }

    /// Begins or ends a drain. A clone that resumes starts slowly. `None` if there is no clone of
    /// this name.
    pub(crate) fn set_draining(
        &mut self,
        name: &str,
        is_draining: bool,
        now: Instant,
    ) -> Option<Arc<Upstream>> {
        let member = self
            .members
            .iter_mut()
            .find(|member| member.upstream.name() == name)?;
        if member.is_draining && !is_draining {
            member.health = HealthTracker::with_slow_start(now);
        }
        member.is_draining = is_draining;
        Some(Arc::clone(&member.upstream))
    }

    /// True if there is a clone of this name and it had another weight.
    pub(crate) fn set_weight(&self, name: &str, weight: u32) -> bool {
        self.by_name(name)
            .is_some_and(|member| member.upstream.set_weight(weight))
    }

    /// The address of the clone of this name.
    pub(crate) fn addr(&self, name: &str) -> Option<SocketAddr> {
        self.by_name(name).map(|member| member.upstream.addr())
    }

    /// True if there was a clone of this name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.members.len();
        self.members.retain(|member| member.upstream.name() != name);
        self.members.len() < before
    }

    fn by_name(&self, name: &str) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.upstream.name() == name)
    }

    /// `None` if the clone was removed.
    fn by_id(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// All clones with their ids.
    pub(crate) fn all(&self) -> Vec<(u64, Arc<Upstream>)> {
        self.members
            .iter()
            .map(|member| (member.id, Arc::clone(&member.upstream)))
            .collect()
    }

    /// Records the outcome of an attempt at a clone. `was_trial`: the clone was out when it got the
    /// request. `elapsed`: the time to the response's head, or to the failure.
    pub(crate) fn record_attempt(
        &mut self,
        id: u64,
        was_trial: bool,
        outcome: Outcome,
        elapsed: Duration,
        now: Instant,
    ) {
        let (policy, may_leave) = (self.health_policy, self.one_more_may_leave());
        if let Some(member) = self.by_id(id) {
            member.count(outcome, elapsed, now);
            member
                .health
                .record(outcome, was_trial, may_leave, &policy, now);
        }
    }

    /// Counts an attempt that is a retry.
    pub(crate) fn record_retry(&mut self, id: u64) {
        if let Some(member) = self.by_id(id) {
            member.retries += 1;
        }
    }

    /// Records the result of a probe. If the clone is down because of it, tells the requests that
    /// wait for the clone.
    pub(crate) fn record_probe(&mut self, id: u64, succeeded: bool, now: Instant) {
        let (policy, may_leave) = (self.health_policy, self.one_more_may_leave());
        if let Some(member) = self.by_id(id)
            && member
                .health
                .record_probe(succeeded, may_leave, &policy, now)
        {
            let upstream = member.upstream.name();
            tracing::warn!(upstream, "probes fail, the clone gets no more requests");
            member.upstream.notify_down();
        }
    }

    // ANCHOR: half
    /// Whether at least half of the clones would still be in rotation.
    fn one_more_may_leave(&self) -> bool {
        let active = self.members.iter().filter(|member| !member.is_draining);
        let (all, out) = active.fold((0, 0), |(all, out), member| {
            (all + 1, out + usize::from(member.health.is_out()))
        });
        2 * (out + 1) <= all
    }
    // ANCHOR_END: half

    pub(crate) fn status(&self, now: Instant) -> Vec<UpstreamStatus> {
        self.members
            .iter()
            .map(|member| member.status(&self.health_policy, now))
            .collect()
    }
}
