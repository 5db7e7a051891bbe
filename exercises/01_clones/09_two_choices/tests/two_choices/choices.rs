//! Rules 1 to 4 and 7: which clone gets a request.

use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::InFlightGuard;
use super::support::{clones, in_flight, make_busy, number, pick, shares};

// Rules 1 and 3.
#[test]
fn busier_clone_of_two_is_never_picked() {
    for busy in 0..2 {
        let balancer = clones(2, 7);
        let mut wanted = [0, 0];
        wanted[busy] = 1;
        let _held = make_busy(&balancer, &wanted);

        let shares = shares(&balancer, 1_000);

        assert_eq!(
            shares[busy], 0,
            "clone-{busy} has a request in flight and the other clone has none, but {} of 1000 \
             requests went to clone-{busy}. Does `pick` draw two *different* clones and compare \
             them?",
            shares[busy]
        );
    }
}

// Rules 1, 2 and 3.
#[test]
fn all_pairs_are_equally_likely() {
    // Four clones make six pairs. The least busy clone is in three of them and wins all three, the
    // next one wins two, and the third one wins one.
    for wanted in [[0, 1, 2, 3], [3, 0, 2, 1], [2, 3, 1, 0], [1, 2, 0, 3]] {
        let balancer = clones(4, 11);
        let _held = make_busy(&balancer, &wanted);

        let shares = shares(&balancer, 60_000);

        for (share, busy) in shares.iter().zip(wanted) {
            let expected = [30_000, 20_000, 10_000, 0][busy];
            assert!(
                share.abs_diff(expected) < 700,
                "clones with {wanted:?} requests in flight got {shares:?} of 60000 requests, but \
                 the clone with {busy} should get about {expected}. Are both clones drawn at \
                 random, and is each pair equally likely?"
            );
        }
    }
}

// Rules 2 and 4.
#[test]
fn idle_clones_get_equal_shares() {
    for count in [2, 3, 8] {
        let shares = shares(&clones(count, 5), 8_000);
        let fair = 8_000 / count;
        assert!(
            shares.iter().all(|share| share.abs_diff(fair) < 250),
            "{count} idle clones got {shares:?} of 8000 requests, but each should get about \
             {fair}. Which clone does `pick` take when both have the same count?"
        );
    }
}

// Rules 1, 2 and 3.
#[test]
fn two_choices_spread_the_load_evenly() {
    // 10,000 balls in 100 bins: no request ends.
    for seed in 0..5 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut one_choice = [0; 100];
        (0..10_000).for_each(|_| one_choice[rng.random_range(0..100)] += 1);
        let fullest = one_choice.into_iter().max().unwrap_or_default();
        assert!(
            fullest >= 115,
            "with one choice the fullest bin should have many balls, or this test proves nothing: \
             {fullest}"
        );

        let balancer = clones(100, seed);
        let balls: Vec<InFlightGuard> = (0..10_000).map(|_| pick(&balancer)).collect();

        let counts = in_flight(&balancer);
        assert_eq!(
            counts.iter().sum::<usize>(),
            balls.len(),
            "each request should be counted for exactly one clone"
        );
        let most = counts.into_iter().max().unwrap_or_default();
        assert!(
            most <= 106,
            "100 requests per clone on average, but the busiest clone has {most}. With one choice \
             it has {fullest}; with two it should have about 103. Does `pick` draw two new clones \
             each time, and take the one with fewer requests in flight?"
        );
    }
}

// Rules 3 and 5.
#[test]
fn slow_clone_gets_fewer_requests() {
    // In each step 20 requests arrive. A fast clone finishes ten of them, and clone-3 one.
    let run = |choose: &mut dyn FnMut() -> usize, finish: &mut dyn FnMut(usize)| {
        let mut waiting = [0_usize; 4];
        let mut received = [0_usize; 4];
        for _ in 0..1_000 {
            for _ in 0..20 {
                let clone = choose();
                waiting[clone] += 1;
                received[clone] += 1;
            }
            for (clone, speed) in [10, 10, 10, 1].into_iter().enumerate() {
                for _ in 0..speed.min(waiting[clone]) {
                    waiting[clone] -= 1;
                    finish(clone);
                }
            }
        }
        (received, waiting[3])
    };
    let mut rng = SmallRng::seed_from_u64(3);
    let (received, queue) = run(&mut || rng.random_range(0..4), &mut |_| {});
    assert!(
        queue > 3_000,
        "with one choice the queue of clone-3 should be long, or this test proves nothing: the \
         clones received {received:?}, and {queue} requests wait"
    );

    let balancer = clones(4, 3);
    let guards: [_; 4] = std::array::from_fn(|_| std::cell::RefCell::new(VecDeque::new()));
    let mut choose = || {
        let guard = pick(&balancer);
        let clone = number(&guard);
        guards[clone].borrow_mut().push_back(guard);
        clone
    };
    let mut finish = |clone: usize| drop(guards[clone].borrow_mut().pop_front());
    let (received, queue) = run(&mut choose, &mut finish);

    assert!(
        received[3] < 20_000 / 4 / 2,
        "clone-3 is ten times slower, but of 20000 requests the clones got {received:?}, and \
         {queue} wait at clone-3. Do you count the requests in flight, or all requests so far?"
    );
    assert!(
        queue < 100,
        "{queue} requests wait at the slow clone-3; the clones got {received:?}"
    );
}

// Rules 1, 4 and 7.
#[test]
fn independent_balancers_cause_no_herd_effect() {
    let mut received = [0; 10];
    for seed in 0..1_000 {
        received[number(&pick(&clones(10, seed)))] += 1;
    }
    assert!(
        received.iter().all(|count| (40..=160).contains(count)),
        "1000 balancers send one request each to 10 idle clones, and the clones get {received:?}. \
         Do all balancers pick the same clone (herd effect)?"
    );
}

// Rule 7.
#[test]
fn same_seed_picks_the_same_clones() {
    let picks = |seed| -> Vec<usize> {
        let balancer = clones(10, seed);
        (0..100).map(|_| number(&pick(&balancer))).collect()
    };
    assert_eq!(
        picks(1),
        picks(1),
        "the same seed picked other clones: does every random number come from `self.rng`?"
    );
    assert_ne!(
        picks(1),
        picks(2),
        "another seed picked the same clones: does your code use the seed?"
    );
}
