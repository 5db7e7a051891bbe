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

/// Runs this work in several threads that start together, and returns the results.
fn in_threads<T: Send>(threads: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    let work = || {
        start.wait();
        work()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = running.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .map(|result| result.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

// Rule 1.
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
        "the clones should get one request each per round, in the order of the list, and the first \
         request goes to clone-1: which clone comes after the last one, and where do you begin?"
    );
}

// Rule 1. The last request of a long day must not break the turns.
#[test]
fn turns_go_on_after_many_requests() {
    let balancer = clones(3);
    let mut last = pick(&balancer);
    for number in 2..=200_000 {
        let picked = pick(&balancer);
        let expected = match last {
            "clone-1" => "clone-2",
            "clone-2" => "clone-3",
            _ => "clone-1",
        };
        assert_eq!(
            picked, expected,
            "request {number} went to the wrong clone after {last}: how far can your number count \
             before it starts again at 0?"
        );
        last = picked;
    }
}

// Rule 1. Each balancer has its own turns.
#[test]
fn balancers_have_separate_turns() {
    let (one, other) = (clones(3), clones(3));
    for round in 1..=20 {
        for expected in ["clone-1", "clone-2", "clone-3"] {
            assert_eq!(
                (pick(&one), pick(&other)),
                (expected, expected),
                "in round {round}, two balancers with the same clones are not at the same clone: \
                 do they share one `static` number?"
            );
        }
    }
}

// Rule 2.
#[test]
fn next_thread_continues_the_turns() {
    let balancer = clones(3);
    // The threads run one after the other.
    let picked: Vec<_> = (0..6)
        .map(|_| {
            let picked = thread::scope(|scope| scope.spawn(|| pick(&balancer)).join());
            picked.unwrap_or_else(|panic| resume_unwind(panic))
        })
        .collect();
    let one_round = ["clone-1", "clone-2", "clone-3"];
    assert_eq!(
        picked,
        [one_round, one_round].concat(),
        "6 threads picked once each, one after the other, and they did not take turns: does each \
         thread have a number of its own?"
    );
}

// Rule 2. If two threads take the same turn, the counts differ. The threads must do little but
// pick: the more of their time they spend in `pick`, the more often they meet there.
#[test]
fn threads_share_the_turns() {
    let balancer = clones(7);
    let of_threads = in_threads(8, || {
        let mut counts = [0_usize; 7];
        for _ in 0..350_000 {
            // The last character is the clone's number.
            let digit = pick(&balancer).as_bytes()["clone-".len()];
            counts[usize::from(digit - b'1')] += 1;
        }
        counts
    });
    let counts: Vec<usize> = (0..7)
        .map(|clone| of_threads.iter().map(|counts| counts[clone]).sum())
        .collect();
    assert_eq!(
        counts, [400_000; 7],
        "8 threads picked 350000 times each, so each of the 7 clones should get 400000 requests. \
         Can two threads read the same number before one of them writes the next?"
    );
}

// Rule 3.
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
            "{down} is down, but the balancer sent requests to it: where does `pick` read \
             `is_healthy`?"
        );
        // Exactly 100 each, or one more or less if the turns began in the middle of a round.
        assert!(
            counts.values().all(|count| count.abs_diff(100) <= 1),
            "{down} is down, so each other clone should get 100 of 300 requests: {counts:?}. Do \
             all its turns go to the clone after it?"
        );
    }
}

// Rules 2 and 3. A `pick` must find the healthy clone, also if other threads change the number in
// the middle of it. Almost every clone is down, so a search with steps takes long.
#[test]
fn threads_find_the_only_healthy_clone() {
    let balancer = clones(200);
    for upstream in &balancer.upstreams()[..199] {
        upstream.set_healthy(false);
    }
    let (threads, picks) = (8, 4_000);
    let missed: usize = in_threads(threads, || {
        (0..picks).filter(|_| balancer.pick().is_none()).count()
    })
    .into_iter()
    .sum();
    assert_eq!(
        missed,
        0,
        "clone-200 is healthy, but {missed} of {} picks in {threads} threads returned `None`: does \
         `pick` take a new number for each clone that it skips? Another thread can take the number \
         that leads to clone-200.",
        threads * picks
    );
}

// Rule 4.
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

// Rule 5.
#[test]
fn flapping_clone_takes_no_turns_from_others() {
    let balancer = clones(3);
    let mut counts = zero_counts(&balancer);
    for number in 0..600 {
        balancer.upstreams()[2].set_healthy(number % 2 == 0);
        *counts.entry(pick(&balancer)).or_default() += 1;
    }
    // Not exactly half each: how the turns of clone-3 are shared is up to you.
    assert!(
        counts["clone-1"] >= 60 && counts["clone-2"] >= 60,
        "clone-3 went up and down with every request, and clone-1 and clone-2 were always healthy, \
         but one of them got almost nothing of 600 requests: {counts:?}. Do the turns start again \
         when the list of healthy clones changes?"
    );
}

// Rule 6.
#[test]
fn no_healthy_clone_gives_no_pick() {
    assert!(
        clones(0).pick().is_none(),
        "the list of clones is empty, but `pick` returned a clone: from where?"
    );

    let balancer = clones(2);
    for upstream in balancer.upstreams() {
        upstream.set_healthy(false);
    }
    for _ in 0..5 {
        assert!(
            balancer.pick().is_none(),
            "both clones are down, but `pick` returned one of them: what does it do when it has \
             found no healthy clone?"
        );
    }

    balancer.upstreams()[1].set_healthy(true);
    assert_eq!(
        pick(&balancer),
        "clone-2",
        "only clone-2 is healthy: does `pick` read the health again for each request?"
    );
}
