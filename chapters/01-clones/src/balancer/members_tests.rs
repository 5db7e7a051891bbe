//! The set of clones as a whole: who may leave it, who comes back to it, and how much they get. Time is a number here.

use std::collections::BTreeMap;

use super::super::strategy::testing::visit;
use super::*;

const MILLIS: Duration = Duration::from_millis(1);

/// A set of so many clones, and the moment at which it began.
fn members(count: usize) -> (Members, Instant) {
    let upstream = |n| Upstream::new(format!("clone-{n}"), "127.0.0.1:1".parse().unwrap());
    (
        Members::new((1..=count).map(upstream).collect(), 7),
        Instant::now(),
    )
}

/// What the balancer knows of a request that has met these clones.
fn asking(met: &[u64]) -> Asking<'_> {
    Asking {
        visit: visit("/"),
        met,
        is_safe: true,
    }
}

/// One request, which ends at once in this way. Which clone got it?
fn ask(members: &mut Members, now: Instant, outcome: impl Fn(&str) -> Outcome) -> Option<String> {
    let ticket = members.pick(&asking(&[]), now).ok()?;
    let name = ticket.in_flight.upstream().name().to_owned();
    members.report(&ticket, outcome(&name), MILLIS, now);
    Some(name)
}

/// How many of so many requests each clone gets, one each millisecond.
fn shares(members: &mut Members, mut now: Instant, requests: u32) -> BTreeMap<String, u32> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        let name = ask(members, now, |_| Outcome::Answered).unwrap();
        *shares.entry(name).or_default() += 1;
        now += MILLIS;
    }
    shares
}

fn states(members: &Members, now: Instant) -> Vec<State> {
    members
        .status(now)
        .iter()
        .map(|status| status.state)
        .collect()
}

#[test]
fn never_more_than_half_of_the_clones_are_out() {
    for clones in 1..=9 {
        let (mut members, now) = members(clones);
        for _ in 0..50 {
            ask(&mut members, now, |_| Outcome::Refused);
            for (id, _) in members.upstreams() {
                members.note_probe(id, false, now);
            }
            let out = members
                .list
                .iter()
                .filter(|member| member.health.is_out())
                .count();
            assert!(
                2 * out <= clones,
                "{out} of {clones} are out: would a bad minute empty the whole set?"
            );
        }
        assert_eq!(
            members
                .list
                .iter()
                .filter(|member| member.health.is_out())
                .count(),
            clones / 2
        );
    }
}

#[test]
fn a_request_that_has_met_all_others_is_sent_to_one_that_is_out() {
    let (mut members, now) = members(2);
    while states(&members, now)[0] != State::Ejected {
        ask(&mut members, now, |name| {
            if name == "clone-1" {
                Outcome::Refused
            } else {
                Outcome::Answered
            }
        });
    }
    let ticket = members.pick(&asking(&[1]), now);
    assert_eq!(
        ticket.unwrap().id,
        0,
        "the last hope was not asked: does the balancer fail open?"
    );
    let nobody = members.pick(&asking(&[0, 1]), now).unwrap_err();
    assert_eq!(nobody, NoClone::Left, "never the same clone twice");
}

#[test]
fn a_clone_that_comes_back_gets_little_at_first_and_its_full_share_at_last() {
    let (mut members, begin) = members(4);
    let fair = 500.0 / 4.0;
    let start = shares(&mut members, begin, 500);
    assert!(
        start.values().all(|count| *count == 125),
        "{start:?}: at the balancer's start nobody has to wait"
    );

    ask(&mut members, begin, |_| Outcome::Refused);
    // Its second is over, and one request finds that it is well. Its slow start of 5 s begins.
    let back = begin + Duration::from_secs(1);
    let name = ask(&mut members, back, |_| Outcome::Answered).unwrap();
    assert_eq!(
        members
            .status(back)
            .iter()
            .find(|one| one.name == name)
            .unwrap()
            .state,
        State::SlowStart
    );

    let first = f64::from(shares(&mut members, back, 500)[&name]) / fair;
    assert!(
        first <= 0.3,
        "{first} of a fair share in the first tenth of the slow start"
    );
    let halfway = f64::from(shares(&mut members, back + 2_250 * MILLIS, 500)[&name]) / fair;
    assert!(
        (0.3..0.7).contains(&halfway),
        "{halfway} of a fair share in the middle"
    );
    let end = f64::from(shares(&mut members, back + 5_000 * MILLIS, 500)[&name]) / fair;
    assert!(
        (0.9..=1.1).contains(&end),
        "{end} of a fair share at the end"
    );
}

#[test]
fn a_clone_that_is_added_later_starts_slowly_and_one_that_drains_gets_nothing() {
    let (mut members, now) = members(2);
    let third = || Upstream::new("clone-3", "127.0.0.1:1".parse().unwrap());
    members.add(vec![third()], now).unwrap();
    assert!(
        members.add(vec![third()], now).is_err(),
        "two clones of one name cannot be told apart"
    );
    assert_eq!(
        states(&members, now),
        [State::Up, State::Up, State::SlowStart]
    );

    members.set_draining("clone-1", true, now).unwrap();
    let shares = shares(&mut members, now, 300);
    assert_eq!(shares.get("clone-1"), None, "{shares:?}");
    assert_eq!(states(&members, now)[0], State::Draining);

    members.set_draining("clone-2", true, now).unwrap();
    members.set_draining("clone-3", true, now).unwrap();
    assert_eq!(
        ask(&mut members, now, |_| Outcome::Answered),
        None,
        "failing open must not reach those that drain"
    );
}

#[test]
fn a_full_clone_gets_nothing_and_when_all_are_full_a_request_is_refused() {
    let (mut members, now) = members(3);
    members.max_in_flight = 2;
    let mut held: Vec<Ticket> = (0..6)
        .map(|_| members.pick(&asking(&[]), now).unwrap())
        .collect();
    assert_eq!(members.pick(&asking(&[]), now).unwrap_err(), NoClone::Full);

    let freed = held.remove(4).id;
    assert_eq!(
        members.pick(&asking(&[]), now).unwrap().id,
        freed,
        "one request has ended, so one may begin"
    );
}

#[test]
fn an_error_is_an_answer_and_counts_as_both() {
    let (mut members, now) = members(1);
    for outcome in [
        Outcome::Answered,
        Outcome::Erred,
        Outcome::Failed,
        Outcome::Refused,
    ] {
        ask(&mut members, now, |_| outcome);
    }
    let status = members.status(now).remove(0);
    let counts = (
        status.requests,
        status.errors,
        status.failures,
        status.responses.count(),
    );
    assert_eq!(
        counts,
        (3, 1, 2, 2),
        "what was refused was never sent, and what failed was never answered"
    );
}
