//! The load generator against a small real server. Each test chooses the server's faults.

mod server;
mod target;

use std::time::Duration;

use loadgen::{Limit, Request, Target, closed_loop, open_loop};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use server::{Behaviour, Server};

fn games(n: u64) -> Request {
    Request::get(&format!("/games/{n}"))
}

#[tokio::test]
async fn closed_loop_sends_exactly_that_many_requests() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;

    let report = closed_loop(&server.target(), 4, Limit::requests(500), games).await;

    assert_eq!(server.requests(), 500, "the server counted differently");
    assert_eq!(report.requests, 500);
    assert_eq!(report.by_status, [(200, 500)].into());
    assert_eq!(
        report.histogram.len(),
        500,
        "a response is missing from the latencies"
    );
    assert_eq!(report.failures(), 0, "{report}");
}

#[tokio::test]
async fn open_loop_sends_rate_times_duration() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;

    let report = open_loop(&server.target(), 200, 4, Duration::from_millis(250), games).await;

    assert_eq!(
        server.requests(),
        50,
        "200 per second for a quarter of a second are 50"
    );
    assert_eq!(
        (report.requests, report.scheduled, report.failures()),
        (50, 50, 0),
        "{report}"
    );
}

#[tokio::test]
async fn request_arrives_unchanged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::parse(&format!("http://{address}")).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = String::new();
        while !text.ends_with('}') {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the request ended early: {text}");
            text += str::from_utf8(&buffer[..read]).unwrap();
        }
        text
    });

    let order =
        |_| Request::post_json("/orders?id=1", r#"{"game_id":7}"#).header("idempotency-key", "k-1");
    closed_loop(&target, 1, Limit::requests(1), order).await;

    let text = server.await.unwrap();
    let host = format!("host: {address}");
    for part in [
        "POST /orders?id=1 HTTP/1.1",
        "content-type: application/json",
        "idempotency-key: k-1",
        "content-length: 13",
        &host,
        r#"{"game_id":7}"#,
    ] {
        assert!(
            text.lines().any(|line| line == part),
            "{part:?} is missing from\n{text}"
        );
    }
}

#[tokio::test]
async fn closed_loop_ends_at_its_time_limit() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;
    let limit = Limit::requests(u64::MAX).within(Duration::from_millis(50));

    let report = closed_loop(&server.target(), 2, limit, games).await;

    assert!(report.requests > 0, "the closed loop sent nothing");
    assert_eq!(report.requests, server.requests());
}

#[tokio::test]
async fn connections_are_reused_and_limited() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;
    closed_loop(&server.target(), 4, Limit::requests(500), games).await;
    assert!(
        server.connections() <= 4,
        "{} connections: does each request open its own?",
        server.connections()
    );

    // During a stall a generator might open more: hundreds of requests are due, none gets a
    // response.
    let server = Server::start(|_| Behaviour::Stall(Duration::from_millis(200))).await;
    open_loop(
        &server.target(),
        1_000,
        3,
        Duration::from_millis(200),
        games,
    )
    .await;
    assert!(
        server.connections() <= 3,
        "{} connections opened in a stall",
        server.connections()
    );
    assert_eq!(
        server.max_in_flight(),
        3,
        "in a stall every connection should be waiting"
    );
}

#[tokio::test]
async fn status_5xx_is_a_failure_but_not_404() {
    let server = Server::start(|n| Behaviour::Answer([200, 404, 500, 503][n as usize % 4])).await;

    let report = closed_loop(&server.target(), 3, Limit::requests(400), games).await;

    assert_eq!(
        report.by_status,
        [(200, 100), (404, 100), (500, 100), (503, 100)].into()
    );
    assert_eq!(report.failures(), 200, "500 and 503 are failures");
    assert_eq!(report.errors, 0, "a response is never a transport error");
}

#[tokio::test]
async fn dropped_connection_fails_and_is_replaced() {
    let server = Server::start(|n| {
        if n % 5 == 0 {
            Behaviour::HangUp
        } else {
            Behaviour::Answer(200)
        }
    })
    .await;

    let report = closed_loop(&server.target(), 2, Limit::requests(100), games).await;

    assert_eq!(
        report.errors, 20,
        "every fifth request was dropped: does the generator retry?"
    );
    assert_eq!(report.by_status, [(200, 80)].into());
    assert_eq!(report.failures(), 20);
    assert_eq!(server.requests(), 100);
}

#[tokio::test]
async fn immediate_close_counts_once_per_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });

    let report = closed_loop(&target, 2, Limit::requests(20), games).await;

    assert_eq!((report.requests, report.failures()), (20, 20), "{report}");
}

#[tokio::test]
async fn missing_server_fails_with_pauses_between_attempts() {
    // Bound but not listening: connections are refused, and no other test gets the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let target = Target::parse(&format!("http://{}", socket.local_addr().unwrap())).unwrap();

    let report = closed_loop(
        &target,
        2,
        Limit::duration(Duration::from_millis(100)),
        games,
    )
    .await;

    assert!(report.requests > 0);
    assert_eq!(report.failures(), report.requests);
    assert!(
        report.requests <= 20,
        "{} refusals in 100 ms: is there a pause after each?",
        report.requests
    );
    assert!(report.first_error.unwrap().contains("could not connect"));
    assert!(
        report.histogram.is_empty(),
        "a refusal must not count as a latency, because it is very fast"
    );
}

#[tokio::test]
async fn announced_close_is_no_failure() {
    let server = Server::start(|_| Behaviour::AnswerAndClose).await;

    let report = closed_loop(&server.target(), 2, Limit::requests(50), games).await;

    assert_eq!(
        (report.by_status, report.errors),
        ([(200, 50)].into(), 0),
        "{:?}",
        report.first_error
    );
    assert_eq!(
        server.connections(),
        50,
        "each response announced that the connection ends"
    );
}

#[tokio::test]
async fn closed_idle_connection_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read = stream.read(&mut [0; 1024]).await.unwrap();
            assert!(read > 0, "a connection without a request");
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(response).await.unwrap();
        }
    });

    // An open loop leaves time between two requests, in which the client notices the close.
    let report = open_loop(&target, 50, 1, Duration::from_millis(120), games).await;

    assert_eq!(
        (report.by_status, report.errors),
        ([(200, 6)].into(), 0),
        "{:?}",
        report.first_error
    );
}

#[tokio::test]
async fn timed_out_request_counts_as_slow() {
    let timeout = Duration::from_millis(200);
    let server = Server::start(|n| {
        if n < 3 {
            Behaviour::Ignore
        } else {
            Behaviour::Answer(200)
        }
    })
    .await;

    let report = closed_loop(
        &server.target().with_response_timeout(timeout),
        1,
        Limit::requests(5),
        games,
    )
    .await;

    assert_eq!(report.errors, 3, "{report}");
    assert_eq!(
        report.by_status,
        [(200, 2)].into(),
        "after a time-out the next request should get a new connection"
    );
    assert!(
        report.quantile_ms(0.6) >= 200.0,
        "the wait of {timeout:?} is missing from the latencies"
    );
}

#[tokio::test]
async fn open_loop_reports_unsent_requests() {
    let server = Server::start(|_| Behaviour::Ignore).await;
    let target = server
        .target()
        .with_response_timeout(Duration::from_millis(50));

    let report = open_loop(&target, 1_000, 2, Duration::from_millis(100), games).await;

    assert_eq!(
        (report.requests, report.errors),
        (100, 100),
        "requests vanished from the report: {report}"
    );
    assert!(
        server.connections() < 20,
        "{} connections: does the generator still send requests after their deadline?",
        server.connections()
    );
}

/// Coordinated omission: the same stall affects four requests of a closed loop, and two in five of
/// an open loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_open_loop_shows_a_stall() {
    let stall = Duration::from_millis(400);
    let stalls_once = move |n| {
        if n == 50 {
            Behaviour::Stall(stall)
        } else {
            Behaviour::Answer(200)
        }
    };
    let slow = 100_000..=u64::MAX / 2;

    let server = Server::start(stalls_once).await;
    let closed = closed_loop(&server.target(), 4, Limit::requests(1_000), games).await;
    let server = Server::start(stalls_once).await;
    let open = open_loop(&server.target(), 500, 4, Duration::from_secs(1), games).await;

    let closed_slow = closed.histogram.count_between(*slow.start(), *slow.end());
    let open_slow = open.histogram.count_between(*slow.start(), *slow.end());
    assert!(
        closed_slow > 0,
        "the server did not stall, so this test shows nothing"
    );
    // 500 per second in the first 300 ms of the stall: about 150 requests waited longer than 100
    // ms. In the closed loop, four did.
    assert!(
        open_slow >= 10 * closed_slow,
        "{open_slow} slow requests in the open loop, {closed_slow} in the closed one: does latency count from the due time?"
    );
    assert!(
        open.quantile_ms(0.9) > 4.0 * closed.quantile_ms(0.9),
        "open and closed loop should disagree about the p90:\n{open}\n{closed}"
    );
    assert!(
        open.late >= 100,
        "only {} sends were late in a stall",
        open.late
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generator_that_misses_its_schedule_is_inconclusive() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;
    let make_slowly = |n| {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(3) {
            std::hint::spin_loop();
        }
        games(n)
    };

    let report = open_loop(
        &server.target(),
        50,
        2,
        Duration::from_millis(400),
        make_slowly,
    )
    .await;

    assert_eq!(report.failures(), 0);
    assert!(
        report.late_by_generator * 2 > report.scheduled,
        "the generator needed 3 ms before each send, but reports only {} of {} as delayed",
        report.late_by_generator,
        report.scheduled
    );
    assert!(!report.is_conclusive(), "{report}");
}

#[tokio::test]
#[should_panic(expected = "is not a path")]
async fn panic_in_the_callers_closure_is_raised() {
    let server = Server::start(|_| Behaviour::Answer(200)).await;

    closed_loop(&server.target(), 2, Limit::requests(10), |_| {
        Request::get("games/7")
    })
    .await;
}
