//! Rule 7: requests that start while the clone closes.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{GRACE_PERIOD, outcome};
use super::{DrainOutcome, InFlightGuard, RequestTracker};

/// Tells the other threads that this one has ended, also after a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// Rule 7. Two busy threads start and end requests. This thread wakes up, which interrupts a busy
// thread at a random instruction, and drains. 2,000 clones are drained, one after the other.
#[test]
fn no_request_starts_uncounted_while_closing() {
    const ROUNDS: usize = 2_000;
    let trackers: Vec<_> = (0..ROUNDS).map(|_| RequestTracker::new()).collect();
    // A first call outside of the threads, so that the `todo!` of the stub ends the test.
    drop(trackers[0].start_request());
    let has_stopped = AtomicBool::new(false);
    // Returns the requests that started after the start of each drain. They do not end.
    let send_requests = || -> Vec<Option<ManuallyDrop<InFlightGuard>>> {
        let start_late = |tracker: &RequestTracker| {
            while !has_stopped.load(Ordering::SeqCst) {
                let guard = tracker.start_request()?;
                if !tracker.is_ready() {
                    return Some(ManuallyDrop::new(guard));
                }
            }
            None
        };
        trackers.iter().map(start_late).collect()
    };
    let drain_all = || -> Vec<usize> {
        let _stop = SetOnDrop(&has_stopped);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        // With paused time, the grace period is over as soon as the drain has to wait.
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of one thread can be built");
        let drain = |tracker: &RequestTracker| {
            thread::park_timeout(Duration::from_micros(20));
            match runtime.block_on(outcome(tracker.drain(Duration::ZERO, GRACE_PERIOD))) {
                DrainOutcome::Complete => 0,
                DrainOutcome::TimedOut(in_flight) => in_flight,
            }
        };
        trackers.iter().map(drain).collect()
    };
    let (reported, started) = thread::scope(|scope| {
        let threads = [scope.spawn(send_requests), scope.spawn(send_requests)];
        let reported = drain_all();
        let started = threads.map(|thread| {
            thread
                .join()
                .expect("a request panicked: is the count too low?")
        });
        (reported, started)
    });

    for (round, reported) in reported.into_iter().enumerate() {
        let in_flight = started.iter().filter(|guards| guards[round].is_some());
        let in_flight = in_flight.count();
        assert!(
            in_flight <= reported,
            "the drain reported {reported} requests in flight, but there were {in_flight} (round \
             {round}). Can the clone close between your check and your count?"
        );
    }
}
