// The tests of `round_robin`: they count how many requests each clone gets. They measure no time.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;

use round_robin::{RoundRobin, Upstream};

/// A balancer with the healthy clones `clone-1`, `clone-2` and so on.
fn clones(count: usize) -> RoundRobin {
    RoundRobin::new(
        (1..=count)
            .map(|number| Upstream::new(format!("clone-{number}")))
            .collect(),
    )
}

/// The name of the clone that `pick` returns.
fn pick(balancer: &RoundRobin) -> &str {
    let upstream = balancer.pick();
    upstream
        .expect("a clone is healthy, but `pick` returned `None`: does it stop too early?")
        .name()
}

/// How many requests each clone got. A clone without requests is in the map with 0.
type Counts<'a> = BTreeMap<&'a str, usize>;

fn zero_counts(balancer: &RoundRobin) -> Counts<'_> {
    balancer
        .upstreams()
        .iter()
        .map(|upstream| (upstream.name(), 0))
        .collect()
}

/// Picks `picks` times and counts.
fn count(balancer: &RoundRobin, picks: usize) -> Counts<'_> {
    let mut counts = zero_counts(balancer);
    for _ in 0..picks {
        *counts
            .get_mut(pick(balancer))
            .expect("`pick` returns a clone of the list") += 1;
    }
    counts
}

/// Picks in several threads at once, `picks` times in each, and adds the counts.
fn count_in_threads(balancer: &RoundRobin, threads: usize, picks: usize) -> Counts<'_> {
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        count(balancer, picks)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut total = zero_counts(balancer);
        for thread in running {
            for (name, count) in thread.join().unwrap_or_else(|panic| resume_unwind(panic)) {
                *total.entry(name).or_default() += count;
            }
        }
        total
    })
}

#[test]
fn clones_take_turns_in_order() {
    let balancer = clones(3);
    let picked: Vec<_> = (0..7).map(|_| pick(&balancer)).collect();
    assert!(
        picked.iter().any(|name| *name != picked[0]),
        "all 7 requests went to {}, but the 3 clones should take turns: what does `pick` remember \
         from one call to the next?",
        picked[0]
    );
    let one_round = ["clone-1", "clone-2", "clone-3"];
    let expected: Vec<_> = one_round.into_iter().cycle().take(7).collect();
    assert_eq!(
        picked, expected,
        "each clone should get one request per round, in the order of the list"
    );
}

#[test]
fn threads_share_the_turns() {
    // Many clones and many picks: a turn that two threads took must not be evened out by chance.
    let balancer = clones(32);
    let counts = count_in_threads(&balancer, 8, 100_000);
    assert!(
        counts.values().all(|count| *count == 25_000),
        "8 threads picked 800000 times, so each of the 32 clones should get 25000 requests. Can \
         two threads read the same number before one of them writes the next? {counts:?}"
    );
}

#[test]
fn all_other_clones_share_the_missed_turns() {
    for down in 0..4 {
        let balancer = clones(4);
        balancer.upstreams()[down].set_healthy(false);

        let mut counts = count(&balancer, 300);

        let down = balancer.upstreams()[down].name();
        assert_eq!(
            counts.remove(down),
            Some(0),
            "{down} is down, but the balancer sent requests to it"
        );
        // Exactly 100 each, or one more or less if the turns began in the middle of a round.
        assert!(
            counts.values().all(|count| count.abs_diff(100) <= 1),
            "{down} is down, so each other clone should get 100 of 300 requests: {counts:?}. Do \
             all its turns go to the clone after it?"
        );
    }
}

#[test]
fn threads_find_the_only_healthy_clone() {
    let balancer = clones(2);
    balancer.upstreams()[0].set_healthy(false);
    // clone-2 is healthy, so each `pick` must find it, also while other threads change the counter.
    let counts = count_in_threads(&balancer, 4, 20_000);
    assert_eq!(
        counts["clone-2"], 80_000,
        "clone-2 is the only healthy clone and should get all requests: {counts:?}"
    );
}

#[test]
fn recovered_clone_takes_only_its_turns() {
    let balancer = clones(3);
    balancer.upstreams()[0].set_healthy(false);
    count(&balancer, 100);

    balancer.upstreams()[0].set_healthy(true);

    let counts = count(&balancer, 9);
    assert!(
        counts.values().all(|count| count.abs_diff(3) <= 1),
        "clone-1 was down and has recovered, so each clone should get 3 of the next 9 requests: \
         {counts:?}. Does clone-1 make up for the turns it missed, or is it never picked again?"
    );
}

#[test]
fn no_healthy_clone_gives_no_pick() {
    assert!(
        clones(0).pick().is_none(),
        "the list of clones is empty, but `pick` returned a clone"
    );

    let balancer = clones(2);
    for upstream in balancer.upstreams() {
        upstream.set_healthy(false);
    }
    for _ in 0..5 {
        assert!(
            balancer.pick().is_none(),
            "both clones are down, but `pick` returned one of them"
        );
    }

    balancer.upstreams()[1].set_healthy(true);
    assert_eq!(pick(&balancer), "clone-2", "only clone-2 is healthy");
}
