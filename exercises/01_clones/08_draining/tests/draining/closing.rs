//! Rules 1 to 3 and 8: not ready, then closed for good.

use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::poll;
use tokio::time::Instant;

use super::support::{
    DELAY, GRACE_PERIOD, OPENED_AGAIN, SECOND, assert_waits, body, outcome, start, start_and_hold,
    still_waits,
};
use super::{DrainOutcome, RequestTracker};

// Rules 1 and 3.
#[tokio::test(start_paused = true)]
async fn drained_clone_stays_not_ready_and_closed() {
    let tracker = RequestTracker::new();
    assert!(
        tracker.is_ready(),
        "no drain has started, so the clone should be ready"
    );
    let guard = start(&tracker);
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert!(poll!(drain.as_mut()).is_pending(), "the drain should wait");
    assert!(
        !tracker.is_ready(),
        "the drain has started, but the clone still reports that it is ready: the balancer will \
         send the next request to it. Is \"not ready\" the first step of your drain?"
    );
    assert_waits(drain.as_mut(), DELAY + SECOND).await;
    drop(guard);
    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
    assert!(
        !tracker.clone().is_ready(),
        "the drain is over and the clone is about to exit, but it is ready again: does the end of \
         your drain reset the state?"
    );
    assert!(tracker.start_request().is_none(), "{OPENED_AGAIN}");
}

// Rules 2 and 4. No request is in flight, but the balancer can send one until it has noticed.
#[tokio::test(start_paused = true)]
async fn clone_accepts_requests_for_the_whole_delay() {
    let tracker = RequestTracker::new();
    let start = Instant::now();
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    for time in [SECOND, Duration::from_millis(900)] {
        assert!(
            still_waits(drain.as_mut(), time).await,
            "the deregistration delay is 2 s, but the drain ended after {:?}: the balancer has \
             not noticed yet. Does your drain wait for the delay if no request is in flight?",
            start.elapsed()
        );
        assert!(
            tracker.start_request().is_some(),
            "the clone rejected a request {:?} after the start of the drain, before the balancer \
             could notice: does the drain close too early?",
            start.elapsed()
        );
    }

    assert_eq!(outcome(drain).await, DrainOutcome::Complete);
    let took = start.elapsed();
    assert!(
        took < DELAY + SECOND / 2,
        "no request was in flight, so the drain should take 2 s (the delay), but it took {took:?}: \
         does your drain check the count before it waits?"
    );
}

// Rule 3.
#[tokio::test(start_paused = true)]
async fn closed_clone_runs_no_handler() {
    let tracker = RequestTracker::new();
    let in_flight = start_and_hold(&tracker);
    let mut drain = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert_waits(drain.as_mut(), DELAY + SECOND).await;

    let has_run = AtomicBool::new(false);
    let handler = async {
        has_run.store(true, Ordering::SeqCst);
        body().1
    };
    let response = tracker.serve(handler).await;

    assert!(
        response.is_none(),
        "the deregistration delay is over, but the clone still accepts requests: with new requests \
         all the time, the drain can never complete. What does `start_request` check?"
    );
    assert!(
        !has_run.load(Ordering::SeqCst),
        "the clone rejected the request, but it ran the handler: what does `serve` do first?"
    );
    assert!(
        still_waits(drain.as_mut(), SECOND).await,
        "one request is in flight and another was rejected, but the drain is over: does a rejected \
         request decrease the count?"
    );
    drop(ManuallyDrop::into_inner(in_flight));
    assert_eq!(
        outcome(drain).await,
        DrainOutcome::Complete,
        "the last request has ended; another one was rejected. Is a rejected request counted?"
    );
}

// Rule 8. An operator presses Ctrl-C a second time while the first drain waits.
#[tokio::test(start_paused = true)]
async fn second_drain_waits_and_opens_nothing() {
    let tracker = RequestTracker::new();
    let guard = start_and_hold(&tracker);
    let mut first = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert_waits(first.as_mut(), DELAY + SECOND).await;
    let mut second = pin!(tracker.drain(DELAY, GRACE_PERIOD));
    assert!(
        still_waits(second.as_mut(), SECOND).await,
        "a request is in flight, but the second drain is over: does it wait like the first?"
    );
    assert!(
        tracker.start_request().is_none(),
        "the first drain has closed the clone, and the second one has opened it again: which \
         fields does the start of a drain change?"
    );
    assert!(!tracker.is_ready(), "the clone is ready again");
    assert_waits(second.as_mut(), DELAY + SECOND).await;
    drop(ManuallyDrop::into_inner(guard));
    assert_eq!(
        (outcome(first).await, outcome(second).await),
        (DrainOutcome::Complete, DrainOutcome::Complete),
        "the last request has ended, so both drains should be complete"
    );
}
