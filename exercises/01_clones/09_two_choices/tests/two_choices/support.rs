//! A balancer with clones, and counts of their requests.

use super::{InFlightGuard, TwoChoices, Upstream};

/// A balancer with the idle clones `clone-0`, `clone-1` and so on.
pub fn clones(count: usize, seed: u64) -> TwoChoices {
    let upstreams = (0..count).map(|number| Upstream::new(format!("clone-{number}")));
    TwoChoices::new(upstreams.collect(), seed)
}

pub fn pick(balancer: &TwoChoices) -> InFlightGuard {
    balancer
        .pick()
        .expect("there are clones, but `pick` returned `None`: does it stop too early?")
}

/// The number in a clone's name.
pub fn number(guard: &InFlightGuard) -> usize {
    let name = guard.upstream().name();
    let number = name
        .strip_prefix("clone-")
        .and_then(|number| number.parse().ok());
    number.expect("`pick` returns a clone of the list")
}

pub fn in_flight(balancer: &TwoChoices) -> Vec<usize> {
    let upstreams = balancer.upstreams().iter();
    upstreams.map(|upstream| upstream.in_flight()).collect()
}

/// How many of `requests` requests each clone gets, if each request ends at once.
pub fn shares(balancer: &TwoChoices, requests: usize) -> Vec<usize> {
    let mut shares = vec![0; balancer.upstreams().len()];
    for _ in 0..requests {
        shares[number(&pick(balancer))] += 1;
    }
    shares
}

/// Gives each clone as many requests in flight as `wanted` says. They end when the guards are
/// dropped.
pub fn make_busy(balancer: &TwoChoices, wanted: &[usize]) -> Vec<InFlightGuard> {
    let most = wanted.iter().max().copied().unwrap_or_default();
    let mut guards: Vec<Vec<InFlightGuard>> = wanted.iter().map(|_| Vec::new()).collect();
    // Give every clone the maximum first, and then end some requests: a clone with more requests in
    // flight than the others is not picked.
    for _ in 0..10_000 {
        if guards.iter().all(|of_one| of_one.len() >= most) {
            break;
        }
        let guard = pick(balancer);
        guards[number(&guard)].push(guard);
    }
    for (of_one, wanted) in guards.iter_mut().zip(wanted) {
        assert!(
            of_one.len() >= *wanted,
            "one clone got only {} of 10000 requests: does `pick` draw every pair?",
            of_one.len()
        );
        of_one.truncate(*wanted);
    }
    assert_eq!(
        in_flight(balancer),
        wanted,
        "`in_flight` should equal the guards that are alive: does `pick` increase the count, and \
         does a dropped guard decrease it?"
    );
    guards.into_iter().flatten().collect()
}
