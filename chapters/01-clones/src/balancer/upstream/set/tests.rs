//! Tests of the set as a whole: which clones leave it, come back to it, and get how many requests.
//! Time is a number here, so no test waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::balancer::health::{HealthState, Outcome};
use crate::balancer::strategy::test_support::request_info;
use crate::balancer::upstream::server::Upstream;

const MILLIS: Duration = Duration::from_millis(1);

fn upstream(n: usize) -> Upstream {
    Upstream::new(format!("clone-{n}"), "127.0.0.1:1".parse().unwrap())
}

/// A set of `count` clones, and the moment at which it began.
fn upstream_set(count: usize) -> (UpstreamSet, Instant) {
    let upstreams = (1..=count).map(upstream).collect();
    (UpstreamSet::new(upstreams, 7), Instant::now())
}

fn context(tried: &[u64]) -> PickContext<'_> {
    PickContext {
        request: request_info("/"),
        tried,
        is_retryable: true,
    }
}

/// Sends one request that ends at once. Returns the name of the clone that got it.
fn send(set: &mut UpstreamSet, now: Instant, outcome: impl Fn(&str) -> Outcome) -> Option<String> {
    let picked = set.pick(&context(&[]), now).ok()?;
    let name = picked.in_flight.upstream().name().to_owned();
    set.record_attempt(picked.id, picked.was_trial, outcome(&name), MILLIS, now);
    Some(name)
}

/// Sends one request per millisecond. Returns how many each clone got.
fn shares(set: &mut UpstreamSet, mut now: Instant, requests: u32) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        let name = send(set, now, |_| Outcome::Success).unwrap();
        *shares.entry(name).or_default() += 1;
        now += MILLIS;
    }
    shares
}

fn states(set: &UpstreamSet, now: Instant) -> Vec<HealthState> {
    let status = set.status(now);
    status.iter().map(|status| status.state).collect()
}

fn out_of_rotation(set: &UpstreamSet) -> usize {
    let out = set.members.iter().filter(|member| member.health.is_out());
    out.count()
}

#[test]
fn at_least_half_of_the_clones_stay() {
    for clones in 1..=9 {
        let (mut set, now) = upstream_set(clones);
        for _ in 0..50 {
            send(&mut set, now, |_| Outcome::ConnectFailed);
            for (id, _) in set.all() {
                set.record_probe(id, false, now);
            }
            let out = out_of_rotation(&set);
            assert!(
                2 * out <= clones,
                "{out} of {clones} clones are out: can a bad minute empty the whole set?"
            );
        }
        assert_eq!(
            out_of_rotation(&set),
            clones / 2,
            "all clones fail, so half of them should be out"
        );
    }
}

#[test]
fn request_that_tried_all_others_gets_ejected_clone() {
    let (mut set, now) = upstream_set(2);
    while states(&set, now)[0] != HealthState::Ejected {
        send(&mut set, now, |name| {
            if name == "clone-1" {
                Outcome::ConnectFailed
            } else {
                Outcome::Success
            }
        });
    }
    let picked = set.pick(&context(&[1]), now);
    assert_eq!(
        picked.unwrap().id,
        0,
        "the only clone that is left was not tried: does the balancer fail open?"
    );
    let error = set.pick(&context(&[0, 1]), now).unwrap_err();
    assert_eq!(
        error,
        NoUpstream::AllTried,
        "a clone must not get the same request twice"
    );
}

#[test]
fn share_of_returning_clone_grows() {
    let (mut set, begin) = upstream_set(4);
    let fair = 500.0 / 4.0;
    let start = shares(&mut set, begin, 500);
    assert!(
        start.values().all(|count| *count == 125),
        "{start:?}: a clone starts slowly although the balancer has just started"
    );

    send(&mut set, begin, |_| Outcome::ConnectFailed);
    // The ejection of one second is over, and the trial succeeds. The slow start of 5 s begins.
    let back = begin + Duration::from_secs(1);
    let name = send(&mut set, back, |_| Outcome::Success).unwrap();
    let status = set.status(back);
    let returned = status.iter().find(|status| status.name == name).unwrap();
    assert_eq!(returned.state, HealthState::SlowStart);

    let mut share_after =
        |millis: u32| f64::from(shares(&mut set, back + millis * MILLIS, 500)[&name]) / fair;
    let first = share_after(0);
    assert!(
        first <= 0.3,
        "{first} of a fair share in the first tenth of the slow start"
    );
    let halfway = share_after(2_250);
    assert!(
        (0.3..0.7).contains(&halfway),
        "{halfway} of a fair share in the middle of the slow start"
    );
    let end = share_after(5_000);
    assert!(
        (0.9..=1.1).contains(&end),
        "{end} of a fair share at the end of the slow start"
    );
}

#[test]
fn added_clone_starts_slowly_and_draining_clone_rests() {
    let (mut set, now) = upstream_set(2);
    set.add(vec![upstream(3)], now).unwrap();
    assert!(
        set.add(vec![upstream(3)], now).is_err(),
        "two clones have the same name"
    );
    assert_eq!(
        states(&set, now),
        [HealthState::Up, HealthState::Up, HealthState::SlowStart]
    );

    set.set_draining("clone-1", true, now).unwrap();
    let shares = shares(&mut set, now, 300);
    assert_eq!(
        shares.get("clone-1"),
        None,
        "{shares:?}: a draining clone gets requests"
    );
    assert_eq!(states(&set, now)[0], HealthState::Draining);

    set.set_draining("clone-2", true, now).unwrap();
    set.set_draining("clone-3", true, now).unwrap();
    assert_eq!(
        send(&mut set, now, |_| Outcome::Success),
        None,
        "failing open must not reach draining clones"
    );
}

#[test]
fn full_clones_get_no_requests() {
    let (mut set, now) = upstream_set(3);
    set.max_in_flight = 2;
    let mut held: Vec<PickedUpstream> = (0..6)
        .map(|_| set.pick(&context(&[]), now).unwrap())
        .collect();
    assert_eq!(
        set.pick(&context(&[]), now).unwrap_err(),
        NoUpstream::AllFull
    );

    let freed = held.remove(4).id;
    assert_eq!(
        set.pick(&context(&[]), now).unwrap().id,
        freed,
        "one request has ended there, so this clone has room"
    );
}

#[test]
fn each_outcome_counts_correctly() {
    let (mut set, now) = upstream_set(1);
    for outcome in [
        Outcome::Success,
        Outcome::ServerError,
        Outcome::NoResponse,
        Outcome::ConnectFailed,
    ] {
        send(&mut set, now, |_| outcome);
    }
    let status = set.status(now).remove(0);
    let counts = (
        status.requests,
        status.errors,
        status.failures,
        status.response_times.count(),
    );
    assert_eq!(
        counts,
        (3, 1, 2, 2),
        "a refused request was never sent, and a failed one has no response time"
    );
}
