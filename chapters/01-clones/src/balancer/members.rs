//! The clones that the balancer has: who is there, how each is doing, and who gets the next request.
//!
//! This is where the parts meet: a [strategy](super::strategy) chooses, [health](super::health) says who may be chosen, and what the
//! balancer may do to the set as a whole is decided here. At least half of the clones stay in, however sick; and when none
//! is left for a request, those that are out are asked all the same (*fail open*), because believing that all clones are down is worth
//! less than asking them. All of it lies under one lock, with no `await` inside, so that a choice and its count are one step.
//!
//! Left out: a lock for each clone. Choosing takes less than a microsecond, and a request some hundred.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::health::{Health, HealthPolicy, Outcome, State};
use super::metrics::Histogram;
use super::status::UpstreamStatus;
use super::strategy::{Candidate, Latency, RoundRobin, Strategy, Visit};
use super::upstream::{InFlight, Upstream};

/// The clones, and what decides between them.
#[derive(Debug)]
pub(super) struct Members {
    list: Vec<Member>,
    pub(super) strategy: Box<dyn Strategy>,
    pub(super) policy: HealthPolicy,
    /// Requests that one clone may have in flight.
    pub(super) max_in_flight: usize,
    /// Decides who of those in slow start may take part in a choice.
    lots: SmallRng,
    next_id: u64,
}

#[derive(Debug)]
struct Member {
    id: u64,
    upstream: Arc<Upstream>,
    health: Health,
    latency: Latency,
    is_draining: bool,
    requests: u64,
    failures: u64,
    errors: u64,
    retries: u64,
    responses: Histogram,
}

/// One attempt to get an answer from one clone. Give it back with [`Members::report`].
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    /// Counts as a request in flight until it is dropped, with the last byte of the answer.
    pub(super) in_flight: InFlight,
    /// The clone was out. If it answers, it is back.
    was_trial: bool,
    /// To be set on the answer.
    pub(super) cookie: Option<HeaderValue>,
}

/// Why no clone gets the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoClone {
    /// There is none that this request has not met yet.
    Left,
    /// Each one has as many requests in flight as it may.
    Full,
}

/// What the balancer knows of a request when it chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) visit: Visit<'a>,
    /// The clones that it has met already: never the same one twice.
    pub(super) met: &'a [u64],
    /// It may be sent again if it fails.
    pub(super) is_safe: bool,
}

impl Members {
    pub(super) fn new(upstreams: Vec<Upstream>, seed: u64) -> Self {
        let mut members = Members {
            list: Vec::new(),
            strategy: Box::new(RoundRobin::default()),
            policy: HealthPolicy::default(),
            max_in_flight: usize::MAX,
            lots: SmallRng::seed_from_u64(seed),
            next_id: 0,
        };
        // All are cold, so none has to wait for another: no slow start.
        let now = Instant::now();
        for upstream in upstreams {
            members.insert(upstream, Health::default(), now);
        }
        members
    }

    fn insert(&mut self, upstream: Upstream, health: Health, now: Instant) {
        self.list.push(Member {
            id: self.next_id,
            upstream: Arc::new(upstream),
            health,
            latency: Latency::new(now),
            is_draining: false,
            requests: 0,
            failures: 0,
            errors: 0,
            retries: 0,
            responses: Histogram::default(),
        });
        self.next_id += 1;
    }

    /// Adds clones while the others work. Gives the name of one that is there already; then none is added.
    pub(super) fn add(&mut self, upstreams: Vec<Upstream>, now: Instant) -> Result<(), String> {
        if let Some(taken) = upstreams
            .iter()
            .find(|one| self.by_name(one.name()).is_some())
        {
            return Err(taken.name().to_owned());
        }
        // Where nobody is warm, nobody has to wait for another.
        let are_first = self.list.is_empty();
        for upstream in upstreams {
            let health = if are_first {
                Health::default()
            } else {
                Health::cold(now)
            };
            self.insert(upstream, health, now);
        }
        Ok(())
    }

    /// From now on the clone gets nothing new; or gets requests again, slowly. `None` if there is no clone of this name.
    pub(super) fn set_draining(
        &mut self,
        name: &str,
        is_draining: bool,
        now: Instant,
    ) -> Option<Arc<Upstream>> {
        let member = self
            .list
            .iter_mut()
            .find(|member| member.upstream.name() == name)?;
        if member.is_draining && !is_draining {
            member.health = Health::cold(now);
        }
        member.is_draining = is_draining;
        Some(Arc::clone(&member.upstream))
    }

    /// True if there is a clone of this name, and it had another weight.
    pub(super) fn set_weight(&self, name: &str, weight: u32) -> bool {
        self.by_name(name)
            .is_some_and(|member| member.upstream.set_weight(weight))
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|member| member.upstream.name() != name);
        self.list.len() < before
    }

    fn by_name(&self, name: &str) -> Option<&Member> {
        self.list
            .iter()
            .find(|member| member.upstream.name() == name)
    }

    /// All clones that can be asked how they are.
    pub(super) fn upstreams(&self) -> Vec<(u64, Arc<Upstream>)> {
        let all = self.list.iter();
        all.map(|member| (member.id, Arc::clone(&member.upstream)))
            .collect()
    }

    /// Chooses the clone for a request: first one whose health nobody knows any more, then what the strategy says, then anybody.
    pub(super) fn pick(&mut self, asking: &Asking<'_>, now: Instant) -> Result<Ticket, NoClone> {
        let (policy, max) = (self.policy, self.max_in_flight);
        let may_be_asked =
            |member: &Member| !member.is_draining && !asking.met.contains(&member.id);
        let has_room = |member: &Member| member.upstream.in_flight() < max;

        let mut open = self
            .list
            .iter_mut()
            .filter(|member| may_be_asked(member) && has_room(member));
        let admits = |one: &mut Member| one.health.admits_trial(asking.is_safe, &policy, now);
        if let Some(on_trial) = open.find_map(|member| admits(member).then_some(member)) {
            return Ok(on_trial.ticket(true, &*self.strategy, &asking.visit));
        }

        let is_in =
            |member: &&Member| may_be_asked(member) && has_room(member) && !member.health.is_out();
        let lots = &mut self.lots;
        let mut takes_part = |member: &&Member| match member.health.share(&policy, now) {
            share if share < 1.0 => lots.random_bool(share),
            _ => true,
        };
        let mut choice: Vec<&Member> = self
            .list
            .iter()
            .filter(is_in)
            .filter(&mut takes_part)
            .collect();
        if choice.is_empty() {
            choice = self.list.iter().filter(is_in).collect();
        }
        let candidates: Vec<Candidate<'_>> =
            choice.iter().map(|member| member.candidate(now)).collect();
        if !candidates.is_empty() {
            let picked = self.strategy.pick(&candidates, &asking.visit);
            return Ok(choice[picked].ticket(false, &*self.strategy, &asking.visit));
        }

        let mut rest = self
            .list
            .iter()
            .filter(|member| may_be_asked(member))
            .peekable();
        let is_full = rest.peek().is_some();
        match rest.find(|member| has_room(member)) {
            Some(member) => Ok(member.ticket(true, &*self.strategy, &asking.visit)),
            None if is_full => Err(NoClone::Full),
            None => Err(NoClone::Left),
        }
    }

    /// Notes what became of an attempt, and how long that took.
    pub(super) fn report(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        took: Duration,
        now: Instant,
    ) {
        let (policy, may_go) = (self.policy, self.one_more_may_go());
        // It may have been removed since.
        let Some(member) = self.list.iter_mut().find(|member| member.id == ticket.id) else {
            return;
        };
        member.requests += u64::from(outcome != Outcome::Refused);
        member.failures += u64::from(matches!(outcome, Outcome::Refused | Outcome::Failed));
        member.errors += u64::from(outcome == Outcome::Erred);
        if matches!(outcome, Outcome::Answered | Outcome::Erred) {
            member.responses.observe(took);
        }
        match outcome {
            Outcome::Answered => member.latency.observe(took, now),
            Outcome::Abandoned => {}
            Outcome::Erred | Outcome::Refused | Outcome::Failed => {
                member.latency.penalise(took, now)
            }
        }
        member
            .health
            .note(outcome, ticket.was_trial, may_go, &policy, now);
    }

    /// Notes that this clone got a request which another one could not answer.
    pub(super) fn count_retry(&mut self, id: u64) {
        if let Some(member) = self.list.iter_mut().find(|member| member.id == id) {
            member.retries += 1;
        }
    }

    /// Notes a probe. Whoever waits for an answer of a clone that went down with it is told.
    pub(super) fn note_probe(&mut self, id: u64, is_well: bool, now: Instant) {
        let (policy, may_go) = (self.policy, self.one_more_may_go());
        if let Some(member) = self.list.iter_mut().find(|member| member.id == id)
            && member.health.note_probe(is_well, may_go, &policy, now)
        {
            tracing::warn!(
                upstream = member.upstream.name(),
                "its probes fail, leaving it out"
            );
            member.upstream.give_up();
        }
    }

    // ANCHOR: half
    /// Whether at least half of the clones would still be in.
    fn one_more_may_go(&self) -> bool {
        let active = self.list.iter().filter(|member| !member.is_draining);
        let (all, out) = active.fold((0, 0), |(all, out), member| {
            (all + 1, out + usize::from(member.health.is_out()))
        });
        2 * (out + 1) <= all
    }
    // ANCHOR_END: half

    pub(super) fn status(&self, now: Instant) -> Vec<UpstreamStatus> {
        let status = |member: &Member| {
            let is_draining = member.is_draining;
            let state = if is_draining {
                State::Draining
            } else {
                member.health.state(&self.policy, now)
            };
            UpstreamStatus {
                name: member.upstream.name().to_owned(),
                addr: member.upstream.addr(),
                weight: member.upstream.weight(),
                state,
                is_up: matches!(state, State::Up | State::SlowStart | State::Spared),
                in_flight: member.upstream.in_flight(),
                requests: member.requests,
                failures: member.failures,
                errors: member.errors,
                ejections: member.health.ejections,
                retries: member.retries,
                latency: member.latency.estimate(now),
                responses: member.responses.clone(),
            }
        };
        self.list.iter().map(status).collect()
    }
}

impl Member {
    fn candidate(&self, now: Instant) -> Candidate<'_> {
        Candidate {
            id: self.id,
            name: self.upstream.name(),
            weight: self.upstream.weight(),
            in_flight: self.upstream.in_flight(),
            latency: self.latency.estimate(now),
        }
    }

    fn ticket(&self, was_trial: bool, strategy: &dyn Strategy, visit: &Visit<'_>) -> Ticket {
        Ticket {
            id: self.id,
            in_flight: InFlight::begin(&self.upstream),
            was_trial,
            cookie: strategy.cookie(self.upstream.name(), visit),
        }
    }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
