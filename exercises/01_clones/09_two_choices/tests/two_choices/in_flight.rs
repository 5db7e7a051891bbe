//! Rules 5, 6 and 8: requests in flight are counted exactly.

use std::future::pending;
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use super::support::{clones, in_flight, pick};

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
