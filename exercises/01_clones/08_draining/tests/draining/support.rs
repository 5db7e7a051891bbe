//! Requests, and helpers that wait for a drain.

use std::future;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{DrainOutcome, InFlightGuard, RequestTracker, ResponseBody};

pub const DELAY: Duration = Duration::from_secs(2);
pub const GRACE_PERIOD: Duration = Duration::from_secs(30);
pub const SECOND: Duration = Duration::from_secs(1);
pub const DAY: Duration = Duration::from_hours(24);
pub const OPENED_AGAIN: &str = "the drain is over, but the clone accepts a request, which the exit will \
                            cut off: does the end of your drain open the clone again?";

/// A body, and the sender of its chunks.
pub fn body() -> (mpsc::Sender<String>, ResponseBody) {
    let (sender, chunks) = mpsc::channel(1);
    (sender, ResponseBody::new(chunks))
}

/// A response that is being sent.
pub async fn serve(tracker: &RequestTracker, body: ResponseBody) -> ResponseBody {
    let response = tracker.serve(future::ready(body)).await;
    response.expect("no drain has closed the clone, but `serve` rejects a request")
}

/// A request that is accepted.
pub fn start(tracker: &RequestTracker) -> InFlightGuard {
    let guard = tracker.start_request();
    guard.expect("no drain has closed the clone, but it rejects a request: when does it close?")
}

/// A request that a panic of the test does not end: with a wrong count, its end could panic too.
pub fn start_and_hold(tracker: &RequestTracker) -> ManuallyDrop<InFlightGuard> {
    ManuallyDrop::new(start(tracker))
}

/// Waits for the drain, but at most for `time`. `None` if the drain still waits then.
pub async fn wait_for_drain(
    mut drain: Pin<&mut impl Future<Output = DrainOutcome>>,
    time: Duration,
) -> Option<DrainOutcome> {
    let mut polls = 0;
    let drain = future::poll_fn(|context| {
        polls += 1;
        assert!(
            polls < 1_000,
            "the drain was polled 1000 times while it waited: does it check the count in a loop? \
             What could wake it instead?"
        );
        drain.as_mut().poll(context)
    });
    timeout(time, drain).await.ok()
}

/// Fails if the drain is over within `time`.
pub async fn assert_waits(drain: Pin<&mut impl Future<Output = DrainOutcome>>, time: Duration) {
    assert!(
        still_waits(drain, time).await,
        "a request is in flight, but the drain is over: does the drain wait for the count?"
    );
}

/// Whether the drain still waits after `time`.
pub async fn still_waits(
    drain: Pin<&mut impl Future<Output = DrainOutcome>>,
    time: Duration,
) -> bool {
    wait_for_drain(drain, time).await.is_none()
}

/// How the drain ends.
pub async fn outcome(drain: impl Future<Output = DrainOutcome>) -> DrainOutcome {
    wait_for_drain(pin!(drain), DAY)
        .await
        .expect("the drain still waits after a day: does it stop after the grace period?")
}
