// The tests of `two_choices`: they count how many requests each clone gets. All random numbers have
// a seed. The limits allow six standard deviations, because your draws may differ from ours.

use std::collections::VecDeque;
use std::future::pending;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use two_choices::{InFlightGuard, TwoChoices, Upstream};

/// A balancer with the idle clones `clone-0`, `clone-1` and so on.
fn clones(count: usize, seed: u64) -> TwoChoices {
    let upstreams = (0..count).map(|number| Upstream::new(format!("clone-{number}")));
    TwoChoices::new(upstreams.collect(), seed)
}

fn pick(balancer: &TwoChoices) -> InFlightGuard {
    balancer
        .pick()
        .expect("there are clones, but `pick` returned `None`: does it stop too early?")
}

/// The number in a clone's name.
fn number(guard: &InFlightGuard) -> usize {
    let name = guard.upstream().name();
    let number = name
        .strip_prefix("clone-")
        .and_then(|number| number.parse().ok());
    number.expect("`pick` returns a clone of the list")
}

fn in_flight(balancer: &TwoChoices) -> Vec<usize> {
    let upstreams = balancer.upstreams().iter();
    upstreams.map(|upstream| upstream.in_flight()).collect()
}

/// How many of `requests` requests each clone gets, if each request ends at once.
fn shares(balancer: &TwoChoices, requests: usize) -> Vec<usize> {
    let mut shares = vec![0; balancer.upstreams().len()];
    for _ in 0..requests {
        shares[number(&pick(balancer))] += 1;
    }
    shares
}

/// Gives each clone as many requests in flight as `wanted` says. They end when the guards are
/// dropped.
fn make_busy(balancer: &TwoChoices, wanted: &[usize]) -> Vec<InFlightGuard> {
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

// Rule 5.
#[test]
fn request_is_counted_until_its_guard_drops() {
    let balancer = clones(2, 1);
    let total = || in_flight(&balancer).iter().sum::<usize>();
    let one = pick(&balancer);
    assert_eq!(
        total(),
        1,
        "one request is in flight: does `pick` count it, once, for the clone that gets it? \
         Otherwise the next pick takes this clone for idle"
    );
    let other = pick(&balancer);
    assert_eq!(total(), 2, "two requests are in flight");

    drop(one);
    assert_eq!(
        total(),
        1,
        "one of two guards was dropped: does a dropped guard decrease the count exactly once?"
    );
    drop(other);
    assert_eq!(total(), 0, "no request is in flight");
}

// Rule 5. A panic of the handler, and a client that disconnects at an `await` of the handler.
#[test]
fn panic_and_disconnect_decrease_the_count() {
    let balancer = clones(2, 1);
    // A first call outside of `catch_unwind`, so that the `todo!` of the stub is not caught.
    drop(pick(&balancer));
    for _ in 0..10 {
        let handler = || {
            let _guard = pick(&balancer);
            panic!("a bug in a handler");
        };
        catch_unwind(AssertUnwindSafe(handler)).expect_err("the handler panics");
    }
    assert_eq!(
        in_flight(&balancer),
        [0, 0],
        "10 handlers panicked, but their requests are still counted, so the clone looks busy for \
         ever: which line decreases the count after a panic?"
    );
    let mut handler = Box::pin(async {
        let _guard = pick(&balancer);
        pending::<()>().await;
    });
    let mut context = Context::from_waker(Waker::noop());
    assert!(handler.as_mut().poll(&mut context).is_pending());
    drop(handler);
    assert_eq!(
        in_flight(&balancer),
        [0, 0],
        "the client disconnected, so the handler's future was dropped: which line decreases the \
         count?"
    );
}

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

// Rule 8. In another thread, because a loop that never ends would stop all tests.
#[test]
fn zero_clones_and_one_clone_work() {
    for count in [0, 1] {
        let (sender, receiver) = channel();
        let pick_three = move || {
            let balancer = clones(count, 1);
            let guards: Vec<_> = (0..3).filter_map(|_| balancer.pick()).collect();
            sender.send((guards.len(), in_flight(&balancer)))
        };
        let thread = thread::spawn(pick_three);
        let result = receiver.recv_timeout(Duration::from_secs(5));
        if result == Err(RecvTimeoutError::Disconnected) {
            let panic = thread.join().expect_err("only a panic drops the sender");
            let message = panic.downcast_ref::<String>().map_or("", String::as_str);
            panic!(
                "`pick` panicked with {count} clone(s): {message}. With how many clones can you draw \
                 a first one, and with how many a second one?"
            );
        }
        let (guards, in_flight) = result.unwrap_or_else(|_| {
            panic!("`pick` did not return with {count} clone(s): when does your loop end?")
        });
        assert_eq!(
            guards,
            3 * count,
            "{count} clone(s) should get all of 3 requests, but `pick` returned {guards} \
             guards: when does it return `None`?"
        );
        assert_eq!(in_flight, vec![guards; count], "each guard is one request");
    }
}

/// Stops the busy threads, also after a panic of the test.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// Rule 6. Two busy threads start and end requests. This thread wakes up 4,000 times, which
// interrupts a busy thread at a random instruction, and starts one request each time.
#[test]
fn counts_are_exact_with_many_threads() {
    const STARTED: usize = 4_000;
    let balancer = clones(2, 9);
    // A first call outside of the threads, so that the `todo!` of the stub ends the test.
    let first = pick(&balancer);
    let has_stopped = AtomicBool::new(false);
    let busy = || {
        while !has_stopped.load(Ordering::SeqCst) {
            drop(pick(&balancer));
        }
    };
    let held: Vec<_> = thread::scope(|scope| {
        let _stop = SetOnDrop(&has_stopped);
        // A wrong count can make these threads panic. The assertion below explains it better.
        let threads = [scope.spawn(busy), scope.spawn(busy)];
        let start_request = |_| {
            thread::park_timeout(Duration::from_micros(20));
            pick(&balancer)
        };
        let held = (1..STARTED).map(start_request).collect();
        has_stopped.store(true, Ordering::SeqCst);
        for thread in threads {
            drop(thread.join());
        }
        held
    });

    let in_flight: usize = in_flight(&balancer).iter().sum();
    if in_flight != STARTED {
        // Dropping the guards could make the count negative, and a panic in `drop` would hide the
        // message.
        held.into_iter().chain([first]).for_each(forget);
        panic!(
            "{STARTED} requests are in flight, and two other threads have started and ended many \
             requests, but {in_flight} are counted. Can two threads read the same count before one \
             of them writes the next?"
        );
    }
}
