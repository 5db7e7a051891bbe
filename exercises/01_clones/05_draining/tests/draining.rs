// The tests of `draining`. Time is paused: it jumps to the next event when nobody has anything to do, so no test waits.

use std::future::{self, Future};
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use draining::{Body, Drained, Gate};
use futures_util::{FutureExt, poll};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

const NOTICE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// A body, and what its pieces are sent with.
fn body() -> (mpsc::Sender<String>, Body) {
    let (sender, pieces) = mpsc::channel(1);
    (sender, Body::new(pieces))
}

/// Whether a drain is still not over after so long.
async fn goes_on(mut drain: Pin<&mut impl Future<Output = Drained>>, time: Duration) -> bool {
    timeout(time, drain.as_mut()).await.is_err()
}

/// How a drain ends.
async fn end(drain: impl Future<Output = Drained>) -> Drained {
    timeout(DAY, drain)
        .await
        .expect("a day has gone by, and the drain is not over: has the wait a limit?")
}

#[tokio::test(start_paused = true)]
async fn a_clone_says_that_it_leaves_before_it_closes_its_door() {
    let gate = Gate::new();
    assert!(gate.is_ready(), "nobody has asked it to leave");
    let begin = Instant::now();
    let mut drain = pin!(gate.drain(NOTICE, LIMIT));

    assert!(
        goes_on(drain.as_mut(), SECOND).await,
        "the notice is 2 s, and after 1 s the clone is gone: the balancer has not even asked"
    );
    assert!(
        !gate.is_ready(),
        "the clone leaves, and tells the balancer that it is ready: whom will that send the next request to?"
    );
    assert!(
        gate.enter().is_some(),
        "the door was closed before the balancer could know that it would be: what happens to the requests in between?"
    );

    assert_eq!(end(drain).await, Drained::Quiet);
    let took = begin.elapsed();
    assert!(
        took < NOTICE + SECOND,
        "nobody was inside, and the drain took {took:?} and not the 2 s of the notice"
    );
    assert!(
        gate.enter().is_none(),
        "the drain is over, and the door is open: who comes in now is cut off"
    );
    assert!(
        !gate.is_ready(),
        "the door is closed, and it says that it is ready"
    );
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_a_handler_that_is_at_work() {
    let gate = Gate::new();
    let (done, handler) = oneshot::channel::<Body>();
    let handler = async { handler.await.expect("the test sends a body") };
    let mut serve = pin!(gate.serve(handler));
    assert!(poll!(serve.as_mut()).is_pending(), "the handler is at work");
    let mut drain = pin!(gate.drain(NOTICE, LIMIT));

    assert!(
        goes_on(drain.as_mut(), NOTICE + SECOND).await,
        "a handler is at work, and the drain is over: is a request counted before its handler begins?"
    );

    let (sender, body) = body();
    done.send(body).expect("the handler waits for it");
    drop(sender);
    let mut answer = serve.await.expect("it came in before the door was closed");
    assert_eq!(answer.next().await, None, "an empty body");
    drop(answer);
    assert_eq!(end(drain).await, Drained::Quiet);
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_the_last_byte_of_an_answer_and_not_only_for_its_head() {
    let gate = Gate::new();
    let (sender, body) = body();
    let mut answer = gate
        .serve(future::ready(body))
        .await
        .expect("the door is open");
    let mut drain = pin!(gate.drain(NOTICE, LIMIT));

    assert!(
        goes_on(drain.as_mut(), NOTICE + SECOND).await,
        "the handler has returned, its body is on its way, and the drain is over: the client has half a page"
    );
    sender
        .send("half a page".to_owned())
        .await
        .expect("the body is there");
    assert_eq!(answer.next().await.as_deref(), Some("half a page"));
    assert!(
        goes_on(drain.as_mut(), SECOND).await,
        "the first piece of the body was sent, the others were not, and the drain is over"
    );
    drop(sender);
    assert_eq!(answer.next().await, None, "the body's end");
    drop(answer);

    assert_eq!(
        end(drain).await,
        Drained::Quiet,
        "the last byte was sent, and the request is still counted"
    );
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_all_and_not_for_the_first() {
    let gate = Gate::new();
    let mut inside: Vec<_> = (0..3)
        .map(|_| gate.enter().expect("the door is open"))
        .collect();
    let mut drain = pin!(gate.drain(NOTICE, LIMIT));
    assert!(
        goes_on(drain.as_mut(), NOTICE + SECOND).await,
        "three requests are inside"
    );
    while inside.len() > 1 {
        inside.pop();
        assert!(
            goes_on(drain.as_mut(), SECOND).await,
            "one request has ended, {} are inside, and the drain is over: do you look again after you were woken?",
            inside.len()
        );
    }

    let ended = Instant::now();
    inside.pop();

    assert_eq!(end(drain).await, Drained::Quiet);
    assert!(
        ended.elapsed() < SECOND,
        "nobody is inside since {:?}: who tells the drain?",
        ended.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_in_the_middle_is_not_waited_for() {
    let gate = Gate::new();
    // One leaves while the handler is at work,
    {
        let mut serve = pin!(gate.serve(future::pending()));
        assert!(poll!(serve.as_mut()).is_pending(), "the handler is at work");
    }
    // and one in the middle of the body.
    let (sender, body) = body();
    let mut answer = gate
        .serve(future::ready(body))
        .await
        .expect("the door is open");
    sender
        .send("half a page".to_owned())
        .await
        .expect("the body is there");
    answer.next().await;
    drop(answer);

    let drained = end(gate.drain(NOTICE, LIMIT)).await;
    assert_eq!(
        drained,
        Drained::Quiet,
        "two clients have left, one during the handler and one in the middle of the body, and they are waited for. Which line counts down \
         when a future or a body is dropped?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_not_waited_for() {
    let gate = Gate::new();
    let handler = future::poll_fn::<Body, _>(|_| panic!("a bug in a handler"));
    let served = AssertUnwindSafe(gate.serve(handler)).catch_unwind().await;
    assert!(served.is_err(), "the handler panics");

    let drained = end(gate.drain(NOTICE, LIMIT)).await;
    assert_eq!(
        drained,
        Drained::Quiet,
        "a handler has panicked, and is waited for: which line counts down then?"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wait_has_a_limit_and_says_how_many_were_left() {
    let gate = Gate::new();
    let (_sender, body) = body();
    let answer = gate.serve(future::ready(body)).await;
    let guard = gate.enter();
    let begin = Instant::now();

    let drained = end(gate.drain(NOTICE, LIMIT)).await;

    assert_eq!(
        drained,
        Drained::Left(2),
        "two requests were still inside when the limit was over, and whoever stops the clone has to know"
    );
    let took = begin.elapsed();
    assert!(
        took >= NOTICE + LIMIT && took < NOTICE + LIMIT + SECOND,
        "the notice is 2 s and the limit 30 s, counted from when the door was closed, and the drain took {took:?}"
    );
    drop((answer, guard));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_after_the_door_was_closed_is_not_begun() {
    let gate = Gate::new();
    let inside = vec![gate.enter().expect("the door is open")];
    let mut drain = pin!(gate.drain(NOTICE, LIMIT));
    assert!(
        goes_on(drain.as_mut(), NOTICE + SECOND).await,
        "a request is inside, and the drain is over"
    );

    let is_begun = AtomicBool::new(false);
    let handler = async {
        is_begun.store(true, Ordering::SeqCst);
        body().1
    };
    let answer = gate.serve(handler).await;

    assert!(
        answer.is_none(),
        "the notice is over, and the door is still open: with new requests all the time, the clone can never leave"
    );
    assert!(
        !is_begun.load(Ordering::SeqCst),
        "the client hears that its request was not begun, and its handler was run"
    );
    drop(inside);
    assert_eq!(end(drain).await, Drained::Quiet);
}

/// Tells the other thread when this one ends, also if it panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const ROUNDS: usize = 2_000;
const OPEN: u8 = 0;
const QUIET: u8 = 1;
const LEFT: u8 = 2;

#[test]
fn nobody_slips_in_while_the_door_is_being_closed() {
    // One thread goes in and out as fast as it can, and the other closes the door. Many times, to meet the moment.
    let rounds: Vec<(Gate, AtomicU8)> = (0..ROUNDS)
        .map(|_| (Gate::new(), AtomicU8::new(OPEN)))
        .collect();
    let (at, has_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let visit = || {
        let _stop = Stop(&has_stopped);
        for (round, (gate, drained)) in rounds.iter().enumerate() {
            at.store(round + 1, Ordering::SeqCst);
            while let Some(_guard) = gate.enter() {
                // As long as this thread is inside, nobody may say that it is quiet.
                for _ in 0..40 {
                    spin_loop();
                    assert_ne!(
                        drained.load(Ordering::SeqCst),
                        QUIET,
                        "a request was inside, and the drain said that nobody was (round {round}). Can the door be closed between your \
                         look at it and your count?"
                    );
                }
                if drained.load(Ordering::SeqCst) != OPEN || has_stopped.load(Ordering::SeqCst) {
                    break;
                }
            }
        }
    };
    let close = || {
        let _stop = Stop(&has_stopped);
        let mut builder = tokio::runtime::Builder::new_current_thread();
        // Paused, so the limit is over as soon as the drain has to wait.
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime needs no more than a thread");
        for (round, (gate, drained)) in rounds.iter().enumerate() {
            while at.load(Ordering::SeqCst) <= round {
                if has_stopped.load(Ordering::SeqCst) {
                    return;
                }
                thread::yield_now();
            }
            (0..round % 50).for_each(|_| spin_loop());
            let how = runtime.block_on(gate.drain(Duration::ZERO, LIMIT));
            drained.store(
                if how == Drained::Quiet { QUIET } else { LEFT },
                Ordering::SeqCst,
            );
        }
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(visit), scope.spawn(close)];
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}
