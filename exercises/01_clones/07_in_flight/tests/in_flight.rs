// The tests of `in_flight`. They poll the futures by hand, so no test waits.

use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::{FutureExt, poll};
use in_flight::{RequestCounter, ResponseBody};
use tokio::sync::{mpsc, oneshot};

/// A body, and the sender of its chunks.
fn body() -> (mpsc::Sender<String>, ResponseBody) {
    let (sender, chunks) = mpsc::channel(1);
    (sender, ResponseBody::new(chunks))
}

/// Sends a chunk, and reads it like the client's connection.
async fn send_chunk(sender: &mpsc::Sender<String>, response: &mut ResponseBody) {
    let sent = sender.send("half a page".to_owned()).await;
    sent.expect("the body exists, so it can receive a chunk");
    let chunk = response.next().await;
    assert_eq!(
        chunk.as_deref(),
        Some("half a page"),
        "`next` should return the chunk that was sent"
    );
}

// Rule 1.
#[test]
fn request_is_counted_until_its_guard_drops() {
    let counter = RequestCounter::new();
    assert_eq!(counter.in_flight(), 0, "no request has started");
    let one = counter.start_request();
    let other = counter.start_request();
    assert_eq!(
        counter.in_flight(),
        2,
        "two requests have started and none has ended: does `start_request` count each one once?"
    );
    drop(one);
    assert_eq!(
        counter.in_flight(),
        1,
        "one of two guards was dropped: does a dropped guard decrease the count exactly once?"
    );
    drop(other);
    assert_eq!(counter.in_flight(), 0, "both requests have ended");
}

// Rule 1. Each connection of the server has its own handle.
#[test]
fn all_handles_show_the_same_count() {
    let counter = RequestCounter::new();
    let handle = counter.clone();
    let guard = handle.start_request();
    assert_eq!(
        (counter.in_flight(), handle.in_flight()),
        (1, 1),
        "one handle started a request, and these are the counts of two handles: do all handles \
         share one count?"
    );
    drop((handle, counter.clone()));
    assert_eq!(
        counter.in_flight(),
        1,
        "a handle was dropped, but its request is still in flight: what does the guard share?"
    );
    drop(guard);
    assert_eq!(counter.in_flight(), 0, "the request has ended");
}

// Rules 1 and 2.
#[tokio::test]
async fn running_handler_is_in_flight() {
    let counter = RequestCounter::new();
    let (done, handler) = oneshot::channel::<ResponseBody>();
    let handler = async {
        assert_eq!(
            counter.in_flight(),
            1,
            "the handler has just started, and its request is the only one: is a request counted \
             once, before its handler starts?"
        );
        handler.await.expect("the test sends a body")
    };
    let mut serve = pin!(counter.serve(handler));
    assert!(
        poll!(serve.as_mut()).is_pending(),
        "the handler still runs, but `serve` has returned: does `serve` await the handler?"
    );

    assert_eq!(
        counter.in_flight(),
        1,
        "the handler is waiting, for example for the database, but its request is not counted: \
         how long does your guard live? (`let _ = …` drops a value at once)"
    );
    assert!(done.send(body().1).is_ok(), "the handler should still run");
    drop(serve.await);
    assert_eq!(
        counter.in_flight(),
        0,
        "the body was dropped, so the request has ended"
    );
}

// Rule 3.
#[tokio::test]
async fn body_is_in_flight_to_its_end() {
    let counter = RequestCounter::new();
    let (sender, body) = body();
    let mut response = counter.serve(future::ready(body)).await;
    assert_eq!(
        counter.in_flight(),
        1,
        "the handler has returned, but no byte of the body is sent: who holds the guard now?"
    );
    for _ in 0..2 {
        send_chunk(&sender, &mut response).await;
        assert_eq!(
            counter.in_flight(),
            1,
            "a chunk was sent, but the sender still exists, so there can be more: which result of \
             `recv` is the end of the body?"
        );
    }
}

// Rule 3. A server stops waiting for a chunk, for example to send a heartbeat, and asks again.
#[tokio::test]
async fn cancelled_read_does_not_end_the_request() {
    let counter = RequestCounter::new();
    let (sender, body) = body();
    let mut response = counter.serve(future::ready(body)).await;
    {
        let mut next = pin!(response.next());
        assert!(
            poll!(next.as_mut()).is_pending(),
            "no chunk was sent, but `next` has returned"
        );
    }
    assert_eq!(
        counter.in_flight(),
        1,
        "the future of `next` was dropped while it waited, but the body still exists: where is the \
         guard while `next` waits?"
    );
    send_chunk(&sender, &mut response).await;
    assert_eq!(counter.in_flight(), 1, "the body has not ended");
}

// Rule 4. A keep-alive connection may keep the empty body until the next request.
#[tokio::test]
async fn end_of_the_body_ends_the_request_once() {
    let counter = RequestCounter::new();
    let other = counter.start_request();
    let (sender, body) = body();
    let mut response = counter.serve(future::ready(body)).await;
    assert_eq!(counter.in_flight(), 2, "two requests have started");
    send_chunk(&sender, &mut response).await;
    drop(sender);

    assert_eq!(response.next().await, None, "the body should end here");
    assert_eq!(
        counter.in_flight(),
        1,
        "`next` returned `None`, so the last byte is sent and only the other request is in flight: \
         does `next` end the request at the end of the body?"
    );
    assert_eq!(response.next().await, None, "the body has ended before");
    drop(response);
    assert_eq!(
        counter.in_flight(),
        1,
        "the end of the body was read twice, and then the body was dropped. The other request is \
         still in flight: does one request end more than once?"
    );
    drop(other);
    assert_eq!(counter.in_flight(), 0, "all requests have ended");
}

// Rule 5.
#[tokio::test]
async fn disconnect_during_the_handler_ends_the_request() {
    let counter = RequestCounter::new();
    {
        let mut serve = pin!(counter.serve(future::pending()));
        assert!(poll!(serve.as_mut()).is_pending(), "the handler should run");
    }
    assert_eq!(
        counter.in_flight(),
        0,
        "the client disconnected while the handler was running, so the future of `serve` was \
         dropped. Which line decreases the count when a future is dropped at an `await`?"
    );
}

// Rule 5.
#[tokio::test]
async fn disconnect_during_the_body_ends_the_request() {
    let counter = RequestCounter::new();
    let (sender, body) = body();
    let mut response = counter.serve(future::ready(body)).await;
    send_chunk(&sender, &mut response).await;

    drop(response);

    assert_eq!(
        counter.in_flight(),
        0,
        "the client disconnected in the middle of the body, so the body was dropped. Which line \
         decreases the count when a body is dropped before its end?"
    );
    assert!(
        sender.is_closed(),
        "the handler should notice that the client left"
    );
}

// Rule 6. The server catches the panic and answers with status 500.
#[tokio::test]
async fn panic_of_the_handler_ends_the_request() {
    let counter = RequestCounter::new();
    // A first call outside of `catch_unwind`, so that the `todo!` of the stub is not caught.
    drop(counter.serve(future::ready(body().1)).await);
    let handler = future::poll_fn::<ResponseBody, _>(|_| panic!("a bug in a handler"));

    let served = AssertUnwindSafe(counter.serve(handler))
        .catch_unwind()
        .await;

    assert!(served.is_err(), "the handler should panic");
    assert_eq!(
        counter.in_flight(),
        0,
        "the handler panicked, so its request has ended: which line decreases the count after a \
         panic?"
    );
    let fail = || {
        let _guard = counter.start_request();
        panic!("a bug in the server");
    };
    catch_unwind(AssertUnwindSafe(fail)).expect_err("the server panics");
    assert_eq!(
        counter.in_flight(),
        0,
        "a guard was dropped by a panic, but it is still counted"
    );
}

/// Stops the busy threads, also after a panic of the test.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

// Rule 7. Two busy threads start and end requests. This thread wakes up 3,000 times, which
// interrupts a busy thread at a random instruction, and starts one request each time.
#[test]
fn count_is_exact_with_many_threads() {
    const STARTED: usize = 3_000;
    let counter = RequestCounter::new();
    // A first call outside of the threads, so that the `todo!` of the stub ends the test.
    let first = counter.start_request();
    let has_stopped = AtomicBool::new(false);
    let busy = || {
        while !has_stopped.load(Ordering::SeqCst) {
            drop(counter.start_request());
        }
    };
    let held: Vec<_> = thread::scope(|scope| {
        let _stop = SetOnDrop(&has_stopped);
        // A wrong count can make these threads panic. The assertion below explains it better.
        let threads = [scope.spawn(busy), scope.spawn(busy)];
        let start_request = |_| {
            thread::park_timeout(Duration::from_micros(20));
            counter.start_request()
        };
        let held = (1..STARTED).map(start_request).collect();
        has_stopped.store(true, Ordering::SeqCst);
        for thread in threads {
            drop(thread.join());
        }
        held
    });

    let in_flight = counter.in_flight();
    if in_flight != STARTED {
        // Dropping the guards could make the count negative, and a panic in `drop` would hide the
        // message.
        held.into_iter().chain([first]).for_each(std::mem::forget);
        panic!(
            "{STARTED} requests are in flight, and two other threads have started and ended many \
             requests, but {in_flight} are counted. Can two threads read the same count before one \
             of them writes the next?"
        );
    }
    drop((held, first));
    assert_eq!(counter.in_flight(), 0, "all requests have ended");
}
