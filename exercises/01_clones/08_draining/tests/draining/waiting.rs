//! Rules 4 to 6: what a drain waits for.

use std::future;
use std::mem::ManuallyDrop;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use futures_util::{FutureExt, poll};
use tokio::time::Instant;

use super::support::{
    DELAY, GRACE_PERIOD, OPENED_AGAIN, SECOND, assert_waits, body, outcome, serve, start,
    start_and_hold, still_waits,
};
use super::{DrainOutcome, RequestTracker, ResponseBody};

// Rule 4.
#[tokio::test(start_paused = true)]
async fn drain_waits_for_a_running_handler() {
    let tracker = RequestTracker::new();
    let mut serve = pin!(tracker.serve(future::pending()));
    assert!(poll!(serve.as_mut()).is_pending(), "the handler should run");
    assert!(
        still_waits(pin!(tracker.drain(DELAY, GRACE_PERIOD)), DELAY + SECOND).await,
        "a handler is running, but the drain is over: is a request counted before its handler \
         starts?"
    );
}

// Rule 4.
#[tokio::test(start_paused = true)]
async fn drain_waits_for_the_last_byte() {
    let tracker = RequestTracker::new();
    let (sender, body) = body();
    let mut response = serve(&tracker, body).await;
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));

    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "the handler has returned and the body is being sent, but the drain is over: the client \
         gets half a page. Who holds the guard after `serve`?"
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

// Rules 2 and 4.
#[tokio::test(start_paused = true)]
async fn drain_waits_for_a_request_of_the_delay() {
    let tracker = RequestTracker::new();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert!(
        still_waits(drain.as_mut(), SECOND).await,
        "the deregistration delay is not over, but the drain is"
    );
    let guard = start(&tracker);
    assert!(
        still_waits(drain.as_mut(), DELAY + SECOND).await,
        "a request started during the deregistration delay and is still in flight, but the drain \
         is over: when does your drain read the count?"
    );
    drop(guard);
    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
}

// Rule 4.
#[tokio::test(start_paused = true)]
async fn last_request_wakes_the_drain() {
    let tracker = RequestTracker::new();
    let mut in_flight: Vec<_> = (0..3).map(|_| start(&tracker)).collect();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert_waits(drain.as_mut(), DELAY + SECOND).await;
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
    assert_eq!(
        ended.elapsed(),
        Duration::ZERO,
        "the drain ended some time after the last request, and not at once: what wakes the drain?"
    );
}

// Rule 5.
#[tokio::test(start_paused = true)]
async fn drain_ignores_disconnected_clients() {
    let tracker = RequestTracker::new();
    // One client disconnects while the handler runs.
    {
        let mut serve = pin!(tracker.serve(future::pending()));
        assert!(poll!(serve.as_mut()).is_pending(), "the handler should run");
    }
    // Another client disconnects in the middle of the body.
    let (_sender, body) = body();
    drop(serve(&tracker, body).await);

    assert_eq!(
        outcome(tracker.drain(DELAY, GRACE_PERIOD)).await,
        DrainOutcome::Complete,
        "one client disconnected during its handler and one during its body, but the drain still \
         counts a request. Which line decreases the count when a future or a body is dropped?"
    );
}

// Rule 5.
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

// Rules 3 and 6.
#[tokio::test(start_paused = true)]
async fn drain_ends_after_the_grace_period() {
    let tracker = RequestTracker::new();
    let (_sender, body) = body();
    let response = serve(&tracker, body).await;
    let (guard, ends_in_time) = (start_and_hold(&tracker), start(&tracker));
    let begin = Instant::now();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert_waits(drain.as_mut(), DELAY + SECOND).await;
    drop(ends_in_time);

    let outcome = outcome(drain).await;
    let took = begin.elapsed();

    assert_eq!(
        outcome,
        DrainOutcome::TimedOut(2),
        "3 requests were in flight and one of them ended in time, so 2 requests are in flight \
         after the grace period, and the drain must report them: when do you read the count?"
    );
    assert!(
        took >= DELAY + GRACE_PERIOD && took < DELAY + GRACE_PERIOD + SECOND,
        "the grace period of 30 s starts after the delay of 2 s, so the drain should take 32 s, \
         but it took {took:?}: which part of your drain is inside the time-out?"
    );
    assert!(tracker.start_request().is_none(), "{OPENED_AGAIN}");
    drop((response, ManuallyDrop::into_inner(guard)));
}
