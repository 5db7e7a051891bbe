//! The choice of a clone for one attempt.
//!
//! First, an ejected clone whose ejection is over may get the request as a trial. Otherwise the
//! [strategy](crate::balancer::strategy) chooses one of the healthy clones. If no clone is healthy,
//! the balancer tries the ejected ones (*fail open*): if all clones look sick, the checks are often
//! wrong.

use http::HeaderValue;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::member::Member;
use super::members::UpstreamSet;
use crate::balancer::health::HealthPolicy;
use crate::balancer::strategy::{Candidate, RequestInfo, Strategy};
use crate::balancer::upstream::in_flight::InFlightGuard;

/// What the balancer knows about a request when it picks a clone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PickContext<'a> {
    pub(crate) request: RequestInfo<'a>,
    /// The ids of the clones that have failed this request. They do not get it again.
    pub(crate) tried: &'a [u64],
    /// The request can be retried if the attempt fails.
    pub(crate) is_retryable: bool,
}

/// The clone that gets the request.
#[derive(Debug)]
pub(crate) struct PickedUpstream {
    pub(crate) id: u64,
    pub(crate) in_flight: InFlightGuard,
    /// The clone was out. A success brings it back.
    pub(crate) was_trial: bool,
    /// A cookie to set on the response.
    pub(crate) cookie: Option<HeaderValue>,
}

/// Why no clone gets the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoUpstream {
    /// The request has tried all clones, or there is none.
    AllTried,
    /// Each remaining clone has reached its limit of requests in flight.
    AllFull,
}

impl PickContext<'_> {
    /// Whether the clone's state allows the request, apart from its health and its load.
    fn accepts(&self, member: &Member) -> bool {
        !member.is_draining && !self.tried.contains(&member.id)
    }
}

impl UpstreamSet {
    /// Picks the clone for an attempt, and counts the request as in flight there.
    pub(crate) fn pick(
        &mut self,
        context: &PickContext<'_>,
        now: Instant,
    ) -> Result<PickedUpstream, NoUpstream> {
        let max_in_flight = self.max_in_flight;
        let has_room = |member: &Member| member.upstream.in_flight() < max_in_flight;
        if let Some(picked) = self.pick_for_trial(context, has_room, now) {
            return Ok(picked);
        }

        let is_available = |member: &&Member| {
            context.accepts(member) && has_room(member) && !member.health.is_out()
        };
        let available: Vec<&Member> = self.members.iter().filter(is_available).collect();
        if !available.is_empty() {
            let choice = in_rotation(available, &mut self.rng, &self.health_policy, now);
            let candidates: Vec<Candidate<'_>> =
                choice.iter().map(|member| member.candidate(now)).collect();
            let position = self.strategy.pick(&candidates, &context.request);
            return Ok(picked(choice[position], false, &*self.strategy, context));
        }

        // Fail open: only ejected clones are left.
        let mut rest = self
            .members
            .iter()
            .filter(|member| context.accepts(member))
            .peekable();
        if rest.peek().is_none() {
            return Err(NoUpstream::AllTried);
        }
        rest.find(|member| has_room(member))
            .map(|member| picked(member, true, &*self.strategy, context))
            .ok_or(NoUpstream::AllFull)
    }

    /// An ejected clone that needs a trial request, if any.
    fn pick_for_trial(
        &mut self,
        context: &PickContext<'_>,
        has_room: impl Fn(&Member) -> bool,
        now: Instant,
    ) -> Option<PickedUpstream> {
        let policy = self.health_policy;
        let mut candidates = self
            .members
            .iter_mut()
            .filter(|member| context.accepts(member) && has_room(member));
        let member = candidates.find_map(|member| {
            let is_admitted = member
                .health
                .admits_trial(context.is_retryable, &policy, now);
            is_admitted.then_some(member)
        })?;
        Some(picked(member, true, &*self.strategy, context))
    }
}

/// Leaves out clones in slow start at random, so that each of them gets its growing share of the
/// requests. If no clone is left, all of them take part.
fn in_rotation<'a>(
    available: Vec<&'a Member>,
    rng: &mut SmallRng,
    policy: &HealthPolicy,
    now: Instant,
) -> Vec<&'a Member> {
    let mut takes_part = |member: &&Member| match member.health.share(policy, now) {
        share if share < 1.0 => rng.random_bool(share),
        _ => true,
    };
    let choice: Vec<&Member> = available
        .iter()
        .copied()
        .filter(|member| takes_part(member))
        .collect();
    if choice.is_empty() { available } else { choice }
}

fn picked(
    member: &Member,
    was_trial: bool,
    strategy: &dyn Strategy,
    context: &PickContext<'_>,
) -> PickedUpstream {
    PickedUpstream {
        id: member.id,
        in_flight: InFlightGuard::new(&member.upstream),
        was_trial,
        cookie: strategy.cookie(member.upstream.name(), &context.request),
    }
}
