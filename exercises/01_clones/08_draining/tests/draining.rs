// The tests of `draining`. The time is paused: it jumps to the next timer when no task can run, so
// no test waits.

use std::future::{self, Future};
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use draining::{DrainOutcome, RequestTracker, ResponseBody};
use futures_util::{FutureExt, poll};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

const DELAY: Duration = Duration::from_secs(2);
const GRACE_PERIOD: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// A body, and the sender of its chunks.
fn body() -> (mpsc::Sender<String>, ResponseBody) {
    let (sender, chunks) = mpsc::channel(1);
    (sender, ResponseBody::new(chunks))
}

/// Whether the drain still waits after `time`.
async fn still_waits(
    mut drain: Pin<&mut impl Future<Output = DrainOutcome>>,
    time: Duration,
) -> bool {
    timeout(time, drain.as_mut()).await.is_err()
}

/// How the drain ends.
async fn outcome(drain: impl Future<Output = DrainOutcome>) -> DrainOutcome {
    timeout(DAY, drain)
        .await
        .expect("the drain still waits after a day: does it stop after the grace period?")
}

#[tokio::test(start_paused = true)]
async fn drain_reports_not_ready_before_it_closes() {
    let tracker = RequestTracker::new();
    assert!(
        tracker.is_ready(),
        "no drain has started, so the clone should be ready"
    );
    let start = Instant::now();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));

    assert!(
        still_waits(drain.as_mut(), SECOND).await,
        "the deregistration delay is 2 s, but the drain ended after 1 s: the balancer has not \
         noticed yet"
    );
    assert!(
        !tracker.is_ready(),
        "the drain has started, but the clone still reports that it is ready: the balancer will \
         send the next request to it"
    );
    assert!(
        tracker.start_request().is_some(),
        "the clone rejected a request during the deregistration delay, before the balancer could \
         notice: does the drain close too early?"
    );

    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
    let took = start.elapsed();
    assert!(
        took < DELAY + SECOND,
        "no request was in flight, so the drain should take 2 s (the delay), but it took {took:?}"
    );
    assert!(
        tracker.start_request().is_none(),
        "the drain is over, but the clone accepts a request, which the exit will cut off"
    );
    assert!(
        !tracker.is_ready(),
        "the clone rejects requests, but reports that it is ready"
    );
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_a_running_handler() {
    let tracker = RequestTracker::new();
    let (done, handler) = oneshot::channel::<ResponseBody>();
    let handler = async { handler.await.expect("the test sends a body") };
    let mut serve = pin!(tracker.serve(handler));
    assert!(poll!(serve.as_mut()).is_pending(), "the handler should run");
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));

    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "a handler is running, but the drain is over: is a request counted before its handler \
         starts?"
    );

    let (sender, body) = body();
    done.send(body).expect("the handler waits for the body");
    drop(sender);
    let mut response = serve
        .await
        .expect("the request started before the drain closed the clone");
    assert_eq!(response.next().await, None, "the body should be empty");
    drop(response);
    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_the_last_byte() {
    let tracker = RequestTracker::new();
    let (sender, body) = body();
    let mut response = tracker
        .serve(future::ready(body))
        .await
        .expect("the clone accepts requests");
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));

    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "the handler has returned and the body is being sent, but the drain is over: the client \
         gets half a page"
    );
    sender
        .send("half a page".to_owned())
        .await
        .expect("the body should still exist");
    assert_eq!(response.next().await.as_deref(), Some("half a page"));
    assert!(
        still_waits(drain.as_mut(), SECOND).await,
        "only the first chunk of the body was sent, but the drain is over"
    );
    drop(sender);
    assert_eq!(response.next().await, None, "the body should end here");
    drop(response);

    assert_eq!(
        outcome(drain).await,
        DrainOutcome::Complete,
        "the last byte was sent, but the request is still counted"
    );
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_all_requests() {
    let tracker = RequestTracker::new();
    let mut in_flight: Vec<_> = (0..3)
        .map(|_| tracker.start_request().expect("the clone accepts requests"))
        .collect();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "3 requests are in flight, but the drain is over"
    );
    while in_flight.len() > 1 {
        in_flight.pop();
        assert!(
            still_waits(drain.as_mut(), SECOND).await,
            "one request ended and {} are still in flight, but the drain is over: do you check the \
             count again after a wake-up?",
            in_flight.len()
        );
    }

    let ended = Instant::now();
    in_flight.pop();

    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
    assert!(
        ended.elapsed() < SECOND,
        "the drain ended {:?} after the last request: what wakes the drain?",
        ended.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn drain_ignores_disconnected_clients() {
    let tracker = RequestTracker::new();
    // One client disconnects while the handler runs.
    {
        let mut serve = pin!(tracker.serve(future::pending()));
        assert!(poll!(serve.as_mut()).is_pending(), "the handler should run");
    }
    // Another client disconnects in the middle of the body.
    let (sender, body) = body();
    let mut response = tracker
        .serve(future::ready(body))
        .await
        .expect("the clone accepts requests");
    sender
        .send("half a page".to_owned())
        .await
        .expect("the body should still exist");
    response.next().await;
    drop(response);

    assert_eq!(
        outcome(tracker.drain(DELAY, GRACE_PERIOD)).await,
        DrainOutcome::Complete,
        "one client disconnected during its handler and one during its body, but the drain still \
         counts a request. Which line decreases the count when a future or a body is dropped?"
    );
}

#[tokio::test(start_paused = true)]
async fn drain_ignores_a_panicked_handler() {
    let tracker = RequestTracker::new();
    let handler = future::poll_fn::<ResponseBody, _>(|_| panic!("a bug in a handler"));
    let served = AssertUnwindSafe(tracker.serve(handler))
        .catch_unwind()
        .await;
    assert!(served.is_err(), "the handler should panic");

    assert_eq!(
        outcome(tracker.drain(DELAY, GRACE_PERIOD)).await,
        DrainOutcome::Complete,
        "the handler panicked, but the drain still counts its request: which line decreases the \
         count after a panic?"
    );
}

#[tokio::test(start_paused = true)]
async fn drain_ends_after_the_grace_period() {
    let tracker = RequestTracker::new();
    let (_sender, body) = body();
    let response = tracker.serve(future::ready(body)).await;
    let guard = tracker.start_request();
    let start = Instant::now();

    let outcome = outcome(tracker.drain(DELAY, GRACE_PERIOD)).await;

    assert_eq!(
        outcome,
        DrainOutcome::TimedOut(2),
        "2 requests are in flight after the grace period, and the drain must report them"
    );
    let took = start.elapsed();
    assert!(
        took >= DELAY + GRACE_PERIOD && took < DELAY + GRACE_PERIOD + SECOND,
        "the grace period of 30 s starts after the delay of 2 s, so the drain should take 32 s, \
         but it took {took:?}"
    );
    drop((response, guard));
}

#[tokio::test(start_paused = true)]
async fn closed_clone_runs_no_handler() {
    let tracker = RequestTracker::new();
    let in_flight = vec![tracker.start_request().expect("the clone accepts requests")];
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "a request is in flight, but the drain is over"
    );

    let has_run = AtomicBool::new(false);
    let handler = async {
        has_run.store(true, Ordering::SeqCst);
        body().1
    };
    let response = tracker.serve(handler).await;

    assert!(
        response.is_none(),
        "the deregistration delay is over, but the clone still accepts requests: with new requests \
         all the time, the drain can never complete"
    );
    assert!(
        !has_run.load(Ordering::SeqCst),
        "the clone rejected the request, but it ran the handler"
    );
    drop(in_flight);
    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
}

/// Tells the other thread that this one has ended, also after a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const ROUNDS: usize = 2_000;
const RUNNING: u8 = 0;
const COMPLETE: u8 = 1;
const TIMED_OUT: u8 = 2;

#[test]
fn no_request_starts_uncounted_while_closing() {
    // One thread starts and ends requests as fast as it can, and the other thread drains. Many
    // rounds, to hit the moment of closing.
    let rounds: Vec<(RequestTracker, AtomicU8)> = (0..ROUNDS)
        .map(|_| (RequestTracker::new(), AtomicU8::new(RUNNING)))
        .collect();
    let (current_round, has_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let send_requests = || {
        let _stop = SetOnDrop(&has_stopped);
        for (round, (tracker, state)) in rounds.iter().enumerate() {
            current_round.store(round + 1, Ordering::SeqCst);
            while let Some(_guard) = tracker.start_request() {
                // While this thread has a request in flight, the drain must not be complete.
                for _ in 0..40 {
                    spin_loop();
                    assert_ne!(
                        state.load(Ordering::SeqCst),
                        COMPLETE,
                        "a request was in flight, but the drain returned `Complete` (round \
                         {round}). Can the clone close between your check and your count?"
                    );
                }
                if state.load(Ordering::SeqCst) != RUNNING || has_stopped.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
    };
    let drain = || {
        let _stop = SetOnDrop(&has_stopped);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        // With paused time, the grace period is over as soon as the drain has to wait.
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of one thread can be built");
        for (round, (tracker, state)) in rounds.iter().enumerate() {
            while current_round.load(Ordering::SeqCst) <= round {
                if has_stopped.load(Ordering::SeqCst) {
                    return;
                }
                thread::yield_now();
            }
            (0..round % 50).for_each(|_| spin_loop());
            let outcome = runtime.block_on(tracker.drain(Duration::ZERO, GRACE_PERIOD));
            state.store(
                if outcome == DrainOutcome::Complete {
                    COMPLETE
                } else {
                    TIMED_OUT
                },
                Ordering::SeqCst,
            );
        }
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(send_requests), scope.spawn(drain)];
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}
