// The tests of `round_robin`: who gets how many requests, never how fast.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use round_robin::{RoundRobin, Upstream};

/// `clone-1`, `clone-2` and so on, all of them up.
fn clones(count: usize) -> RoundRobin {
    RoundRobin::new(
        (1..=count)
            .map(|number| Upstream::new(format!("clone-{number}")))
            .collect(),
    )
}

/// The name of the next one.
fn pick(balancer: &RoundRobin) -> &str {
    let upstream = balancer.pick();
    upstream
        .expect("`pick` found nobody, though some are up: does it give up too early?")
        .name()
}

/// How many requests each clone got. Nobody is missing: who got none has a 0.
type Counts<'a> = BTreeMap<&'a str, usize>;

fn nothing(balancer: &RoundRobin) -> Counts<'_> {
    balancer
        .upstreams()
        .iter()
        .map(|upstream| (upstream.name(), 0))
        .collect()
}

/// Counts the next so many turns.
fn count(balancer: &RoundRobin, picks: usize) -> Counts<'_> {
    let mut counts = nothing(balancer);
    for _ in 0..picks {
        *counts
            .get_mut(pick(balancer))
            .expect("only clones that were given are picked") += 1;
    }
    counts
}

/// The same in several threads at once, each with so many picks.
fn count_in_threads(balancer: &RoundRobin, threads: usize, picks: usize) -> Counts<'_> {
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        count(balancer, picks)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut total = nothing(balancer);
        for thread in running {
            for (name, count) in thread.join().unwrap_or_else(|panic| resume_unwind(panic)) {
                *total.entry(name).or_default() += count;
            }
        }
        total
    })
}

#[test]
fn clones_take_turns_in_their_order() {
    let balancer = clones(3);
    let picked: Vec<_> = (0..7).map(|_| pick(&balancer)).collect();
    assert!(
        picked.iter().any(|name| *name != picked[0]),
        "every request went to {}: what does `pick` remember from one call to the next?",
        picked[0]
    );
    let one_round = ["clone-1", "clone-2", "clone-3"];
    let expected: Vec<_> = one_round.into_iter().cycle().take(7).collect();
    assert_eq!(
        picked, expected,
        "everybody once, in the order given, and then from the start"
    );
}

#[test]
fn threads_that_share_a_balancer_share_the_turns() {
    // So many of both, because a turn that two threads took at once must not be evened out by chance.
    let balancer = clones(32);
    let counts = count_in_threads(&balancer, 8, 100_000);
    assert!(
        counts.values().all(|count| *count == 25_000),
        "8 threads asked 800000 times, and each of 32 clones should have got 25000 requests. Can two threads read the same number \
         before one of them has written the next? {counts:?}"
    );
}

#[test]
fn the_turns_of_a_clone_that_is_down_go_to_all_others() {
    for down in 0..4 {
        let balancer = clones(4);
        balancer.upstreams()[down].set_up(false);

        let mut counts = count(&balancer, 300);

        let down = balancer.upstreams()[down].name();
        assert_eq!(
            counts.remove(down),
            Some(0),
            "{down} is down, and was sent requests"
        );
        // Exactly 100 each, or one more or less if your turns began in the middle of a round.
        assert!(
            counts.values().all(|count| count.abs_diff(100) <= 1),
            "{down} is down, and its turns were not shared out: {counts:?}. Did they all go to the one after it?"
        );
    }
}

#[test]
fn threads_find_the_one_that_is_up() {
    let balancer = clones(2);
    balancer.upstreams()[0].set_up(false);
    // Whatever the other threads do to the counter meanwhile: clone-2 is up, so each `pick` has to find it.
    let counts = count_in_threads(&balancer, 4, 20_000);
    assert_eq!(counts["clone-2"], 80_000, "{counts:?}");
}

#[test]
fn a_clone_that_comes_back_takes_its_turns_and_no_more() {
    let balancer = clones(3);
    balancer.upstreams()[0].set_up(false);
    count(&balancer, 100);

    balancer.upstreams()[0].set_up(true);

    let counts = count(&balancer, 9);
    assert!(
        counts.values().all(|count| count.abs_diff(3) <= 1),
        "clone-1 was down for a while and came back; of the next 9 turns each should get 3, and it is {counts:?}. Must clone-1 \
         catch up on what it missed, or does nobody ask it again?"
    );
}

#[test]
fn without_anybody_up_there_is_no_turn() {
    assert!(clones(0).pick().is_none(), "there is no clone at all");

    let balancer = clones(2);
    for upstream in balancer.upstreams() {
        upstream.set_up(false);
    }
    for _ in 0..5 {
        assert!(
            balancer.pick().is_none(),
            "both are down, and one of them was picked"
        );
    }

    balancer.upstreams()[1].set_up(true);
    assert_eq!(pick(&balancer), "clone-2");
}
