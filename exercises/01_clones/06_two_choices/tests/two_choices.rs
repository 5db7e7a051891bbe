// The tests of `two_choices`: who gets how many requests, never how fast. All lots have a seed, so each run is like the one before.

use std::collections::VecDeque;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::thread;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use two_choices::{Ticket, TwoChoices, Upstream};

/// `clone-0`, `clone-1` and so on, with nothing to do.
fn clones(count: usize, seed: u64) -> TwoChoices {
    let upstreams = (0..count).map(|number| Upstream::new(format!("clone-{number}")));
    TwoChoices::new(upstreams.collect(), seed)
}

fn pick(balancer: &TwoChoices) -> Ticket {
    balancer
        .pick()
        .expect("`pick` found nobody, and there are clones: does it give up too early?")
}

/// The number in a clone's name.
fn number(ticket: &Ticket) -> usize {
    let name = ticket.upstream().name();
    let number = name
        .strip_prefix("clone-")
        .and_then(|number| number.parse().ok());
    number.expect("only clones that were given are picked")
}

fn in_flight(balancer: &TwoChoices) -> Vec<usize> {
    let upstreams = balancer.upstreams().iter();
    upstreams.map(|upstream| upstream.in_flight()).collect()
}

/// How many of so many requests each clone gets, if each is over at once.
fn shares(balancer: &TwoChoices, requests: usize) -> Vec<usize> {
    let mut shares = vec![0; balancer.upstreams().len()];
    for _ in 0..requests {
        shares[number(&pick(balancer))] += 1;
    }
    shares
}

/// Makes each clone as busy as `wanted` says. To be kept as long as they should be.
fn make_busy(balancer: &TwoChoices, wanted: &[usize]) -> Vec<Ticket> {
    let most = wanted.iter().max().copied().unwrap_or_default();
    let mut tickets: Vec<Vec<Ticket>> = wanted.iter().map(|_| Vec::new()).collect();
    // First all have enough, and then some give back: a clone that is busier than the others is not picked.
    for _ in 0..10_000 {
        if tickets.iter().all(|of_one| of_one.len() >= most) {
            break;
        }
        let ticket = pick(balancer);
        tickets[number(&ticket)].push(ticket);
    }
    for (of_one, wanted) in tickets.iter_mut().zip(wanted) {
        assert!(
            of_one.len() >= *wanted,
            "10000 requests, and one clone got {} of them: can every pair be drawn?",
            of_one.len()
        );
        of_one.truncate(*wanted);
    }
    assert_eq!(
        in_flight(balancer),
        wanted,
        "so many tickets are held, and `in_flight` says otherwise: does a pick count up, and a ticket that is dropped count down?"
    );
    tickets.into_iter().flatten().collect()
}

#[test]
fn a_request_is_in_flight_from_the_pick_until_its_ticket_is_dropped() {
    let balancer = clones(1, 1);
    let one = pick(&balancer);
    assert_eq!(
        in_flight(&balancer),
        [1],
        "one request was picked and is not counted: the next pick will think that the clone is idle"
    );
    let other = pick(&balancer);
    assert_eq!(in_flight(&balancer), [2]);

    drop(one);
    assert_eq!(
        in_flight(&balancer),
        [1],
        "one of two tickets was dropped: does a ticket that is dropped count down, and once?"
    );
    drop(other);
    assert_eq!(in_flight(&balancer), [0]);
}

#[test]
fn a_handler_that_panics_leaves_no_count_behind() {
    let balancer = clones(2, 1);
    // `pick` may panic only where it is still to be written.
    drop(pick(&balancer));
    for _ in 0..10 {
        let handler = || {
            let _ticket = pick(&balancer);
            panic!("a bug in a handler");
        };
        catch_unwind(AssertUnwindSafe(handler)).expect_err("the handler panics");
    }
    assert_eq!(
        in_flight(&balancer),
        [0, 0],
        "ten handlers have panicked, and their requests are still counted: the clone looks busy for ever"
    );
}

#[test]
fn the_busier_one_of_two_is_never_picked() {
    for busy in 0..2 {
        let balancer = clones(2, 7);
        let mut wanted = [0, 0];
        wanted[busy] = 1;
        let _held = make_busy(&balancer, &wanted);

        let shares = shares(&balancer, 1_000);

        assert_eq!(
            shares[busy], 0,
            "clone-{busy} has a request and the other has none, and of 1000 picks {} went to clone-{busy}. Were two *different* clones \
             drawn, and compared?",
            shares[busy]
        );
    }
}

#[test]
fn each_pair_is_drawn_as_often_as_any_other() {
    // Of the six pairs of four clones, the idlest is in three and wins all, the next wins two, the third one.
    for wanted in [[0, 1, 2, 3], [3, 0, 2, 1], [2, 3, 1, 0], [1, 2, 0, 3]] {
        let balancer = clones(4, 11);
        let _held = make_busy(&balancer, &wanted);

        let shares = shares(&balancer, 60_000);

        for (share, busy) in shares.iter().zip(wanted) {
            let expected = [30_000, 20_000, 10_000, 0][busy];
            assert!(
                share.abs_diff(expected) < 700,
                "clones with {wanted:?} requests in flight got {shares:?} of 60000, and the one with {busy} should have got about \
                 {expected}. Are both drawn by lot, and is each pair as likely as any other?"
            );
        }
    }
}

#[test]
fn idle_clones_all_get_their_share() {
    for count in [1, 2, 3, 8] {
        let shares = shares(&clones(count, 5), 8_000);
        let fair = 8_000 / count;
        assert!(
            shares.iter().all(|share| share.abs_diff(fair) < 250),
            "{count} idle clones, and of 8000 requests, one at a time, they got {shares:?}. Who gets it when both have the same?"
        );
    }
}

#[test]
fn two_choices_make_the_pile_almost_flat() {
    // 10,000 balls and 100 bins, and nobody takes a ball out.
    for seed in 0..5 {
        let mut lots = SmallRng::seed_from_u64(seed);
        let mut one_choice = [0; 100];
        (0..10_000).for_each(|_| one_choice[lots.random_range(0..100)] += 1);
        let fullest = one_choice.into_iter().max().unwrap_or_default();
        assert!(
            fullest >= 115,
            "one choice has to be caught, and its fullest bin has {fullest}"
        );

        let balancer = clones(100, seed);
        let balls: Vec<Ticket> = (0..10_000).map(|_| pick(&balancer)).collect();

        let counts = in_flight(&balancer);
        assert_eq!(
            counts.iter().sum::<usize>(),
            balls.len(),
            "each ball is in one bin"
        );
        let most = counts.into_iter().max().unwrap_or_default();
        assert!(
            most <= 106,
            "100 balls for each bin, and the fullest has {most}. With one choice it has {fullest}, with two it should be 103 or so. Is the \
             second one drawn anew each time, and is the emptier one taken?"
        );
    }
}

#[test]
fn a_slow_clone_gets_less() {
    // In each tick 20 requests come; a fast clone finishes ten, and clone-3 one.
    let run = |choose: &mut dyn FnMut() -> usize, finish: &mut dyn FnMut(usize)| {
        let mut waiting = [0_usize; 4];
        let mut got = [0_usize; 4];
        for _ in 0..1_000 {
            for _ in 0..20 {
                let clone = choose();
                waiting[clone] += 1;
                got[clone] += 1;
            }
            for (clone, speed) in [10, 10, 10, 1].into_iter().enumerate() {
                for _ in 0..speed.min(waiting[clone]) {
                    waiting[clone] -= 1;
                    finish(clone);
                }
            }
        }
        (got, waiting[3])
    };
    let mut lots = SmallRng::seed_from_u64(3);
    let (by_lot, queue) = run(&mut || lots.random_range(0..4), &mut |_| {});
    assert!(
        queue > 3_000,
        "one choice has to be caught: {by_lot:?}, {queue} wait"
    );

    let balancer = clones(4, 3);
    let tickets: [_; 4] = std::array::from_fn(|_| std::cell::RefCell::new(VecDeque::new()));
    let mut choose = || {
        let ticket = pick(&balancer);
        let clone = number(&ticket);
        tickets[clone].borrow_mut().push_back(ticket);
        clone
    };
    let mut finish = |clone: usize| drop(tickets[clone].borrow_mut().pop_front());
    let (got, queue) = run(&mut choose, &mut finish);

    assert!(
        got[3] < 20_000 / 4 / 2,
        "clone-3 is ten times slower than the others, and of 20000 requests they got {got:?}, which leaves {queue} of them waiting there. \
         Do you count what is in flight now, or all that there ever was?"
    );
    assert!(
        queue < 100,
        "{queue} requests wait for the slow clone, which got {got:?}"
    );
}

#[test]
fn balancers_that_do_not_see_each_other_do_not_run_to_the_same_clone() {
    let mut got = [0; 10];
    for seed in 0..1_000 {
        got[number(&pick(&clones(10, seed)))] += 1;
    }
    assert!(
        got.iter().all(|count| (60..=140).contains(count)),
        "1000 balancers, each of which finds ten idle clones, send one request each, and the clones get {got:?}. Do all run to the same \
         one, as a herd does?"
    );
}

#[test]
fn the_same_seed_draws_the_same_lots_and_another_seed_others() {
    let picks = |seed| -> Vec<usize> {
        let balancer = clones(10, seed);
        (0..100).map(|_| number(&pick(&balancer))).collect()
    };
    assert_eq!(
        picks(1),
        picks(1),
        "the same seed, and other clones: does every lot come from `lots`?"
    );
    assert_ne!(
        picks(1),
        picks(2),
        "another seed, and the same clones: is the seed used?"
    );
}

#[test]
fn without_a_clone_there_is_no_pick_and_one_alone_gets_everything() {
    assert!(clones(0, 1).pick().is_none(), "there is no clone at all");
    let balancer = clones(1, 1);
    let tickets: Vec<Ticket> = (0..3).map(|_| pick(&balancer)).collect();
    assert_eq!(in_flight(&balancer), [3]);
    drop(tickets);
}

#[test]
fn threads_lose_no_count() {
    for count in [1, 2] {
        let balancer = clones(count, 9);
        let (threads, picks) = (4, 50_000);
        let start = Barrier::new(threads);
        let pick_all = || {
            start.wait();
            (0..picks).map(|_| pick(&balancer)).collect::<Vec<Ticket>>()
        };
        let held: Vec<Vec<Ticket>> = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(pick_all)).collect();
            let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
            ended
                .map(|held| held.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let total = || in_flight(&balancer).iter().sum::<usize>();
        if total() != threads * picks {
            // Too few are counted. A count that fell below zero would panic in a `drop`, and that ends the whole program.
            held.into_iter().flatten().for_each(forget);
            panic!(
                "4 threads hold 200000 tickets, and {} are counted. Can two threads read the same count before one of them has written the \
                 next?",
                total()
            );
        }

        thread::scope(|scope| {
            for tickets in held {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    drop(tickets);
                });
            }
        });

        assert_eq!(
            total(),
            0,
            "4 threads have dropped 200000 tickets, and some are still counted. Can two threads read the same count before one of them \
             has written the next?"
        );
    }
}
