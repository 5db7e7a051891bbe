//! Broken connections: which requests are retried, and what the client gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use ch01_clones::balancer::Timeouts;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::balancing::unused_address;
use crate::support::{
    assert_problem, balance, balance_with, client, clone, header, read_head, scripted, serve,
    within_deadline,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A clone that reads each request and then closes the connection. It counts the requests.
pub async fn breaks_off() -> (SocketAddr, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let addr = scripted(move |_, mut stream| {
        let counter = Arc::clone(&counter);
        async move {
            if !read_head(&mut stream).await.is_empty() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    (addr, taken)
}

/// A clone that responds to one request on each connection, and then gives the open connection to
/// the test.
async fn hands_over_its_connections() -> (SocketAddr, mpsc::UnboundedReceiver<TcpStream>) {
    let (hand_over, connections) = mpsc::unbounded_channel();
    let addr = scripted(move |_, mut stream| {
        let hand_over = hand_over.clone();
        async move {
            read_head(&mut stream).await;
            stream.write_all(OK).await.unwrap();
            let _ = hand_over.send(stream);
        }
    })
    .await;
    (addr, connections)
}

/// Sends a POST without reading the response.
fn post(client: &TcpStream) {
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(client.try_write(request).unwrap(), request.len());
}

/// Reads the response with its body.
async fn assert_ok(client: &mut TcpStream, what: &str) {
    let head = read_head(client).await;
    assert!(
        head.starts_with("HTTP/1.1 200"),
        "{what}, and the request failed:\n{head}"
    );
    client.read_exact(&mut [0; 2]).await.unwrap();
}

#[tokio::test]
async fn closed_idle_connection_fails_no_post() {
    let (clone, mut connections) = hands_over_its_connections().await;
    let front = balance(&[clone]).await;
    let mut client = TcpStream::connect(front.addr).await.unwrap();
    client.writable().await.unwrap();

    for _ in 0..20 {
        post(&client);
        assert_ok(&mut client, "the clone had closed the connection").await;
        let mut connection = within_deadline("the clone to answer", connections.recv())
            .await
            .unwrap();
        connection.shutdown().await.unwrap();
        let mut byte = [0];
        let end = connection.read(&mut byte);
        let end = within_deadline("the balancer to close its side too", end).await;
        assert_eq!(end.unwrap(), 0);
    }
}

/// Closes this connection, and returns when the other side's kernel has the end. Awaits nothing.
fn close_and_deliver(connection: TcpStream) {
    let (own, other) = (connection.local_addr(), connection.peer_addr());
    let (own, other) = (own.unwrap().port(), other.unwrap().port());
    drop(connection);
    // Linux lists each socket with its local and remote address and its state: 08 is CLOSE_WAIT,
    // which means that the end has arrived (proc(5), tcp_states.h).
    let has_end = |socket: &str| {
        let fields: Vec<&str> = socket.split_whitespace().collect();
        fields[1].ends_with(&format!(":{other:04X}"))
            && fields[2].ends_with(&format!(":{own:04X}"))
            && fields[3] == "08"
    };
    let begin = Instant::now();
    while let Ok(sockets) = std::fs::read_to_string("/proc/net/tcp")
        && !sockets.lines().skip(1).any(has_end)
    {
        assert!(begin.elapsed().as_secs() < 60, "the end does not arrive");
    }
}

// One thread, and no `await` between both calls: the balancer takes the connection out of its pool
// before it learns that the connection is closed. Only hyper knows that it has sent no bytes.
#[tokio::test]
async fn connection_closed_while_sending_fails_no_post() {
    let (clone, mut connections) = hands_over_its_connections().await;
    let front = balance(&[clone]).await;
    let mut client = TcpStream::connect(front.addr).await.unwrap();
    client.writable().await.unwrap();
    post(&client);
    assert_ok(&mut client, "the connection is open").await;

    for _ in 0..20 {
        let connection = within_deadline("the clone to answer", connections.recv())
            .await
            .unwrap();
        // If the end arrived after the request, the clone might have got the request.
        close_and_deliver(connection);
        post(&client);
        assert_ok(
            &mut client,
            "the clone closed the connection at that moment",
        )
        .await;
    }
}

#[tokio::test]
async fn broken_post_is_502_and_not_retried() {
    let (first, taken_by_first) = breaks_off().await;
    let (second, taken_by_second) = breaks_off().await;
    let front = balance(&[first, second]).await;

    let answer = client().post(front.url("/orders")).send().await.unwrap();

    assert_eq!(answer.status(), 502);
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    let taken = taken_by_first.load(Ordering::SeqCst) + taken_by_second.load(Ordering::SeqCst);
    assert_eq!(
        taken, 1,
        "the POST was sent {taken} times: the customer pays {taken} times"
    );
}

#[tokio::test]
async fn broken_get_is_retried_at_another_clone() {
    let (broken, taken) = breaks_off().await;
    let healthy = clone("clone-2").await;
    let front = balance(&[broken, healthy.addr]).await;

    for method in [Method::GET, Method::HEAD, Method::GET, Method::HEAD] {
        let answer = client()
            .request(method, front.url("/whoami"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "x-served-by"), "clone-2");
    }
    assert!(
        taken.load(Ordering::SeqCst) > 0,
        "the broken clone got no request, so this test proves nothing"
    );
}

#[tokio::test]
async fn broken_then_refused_is_502() {
    let (sick, _) = breaks_off().await;
    // The port is bound and does not listen, so it refuses connections.
    let refusing = unused_address();
    let refusing = refusing.local_addr().unwrap();
    for clones in [[sick, refusing], [refusing, sick]] {
        let front = balance(&clones).await;
        let answer = client().put(front.url("/")).send().await.unwrap();
        // 503 would say that no clone got the request.
        assert_problem(answer, 502, "may have acted on the request").await;
    }
}

#[tokio::test]
async fn get_is_retried_only_once() {
    let mut clones = Vec::new();
    for _ in 0..4 {
        clones.push(breaks_off().await);
    }
    let addrs: Vec<_> = clones.iter().map(|(addr, _)| *addr).collect();
    let front = balance(&addrs).await;

    let answer = client().get(front.url("/whoami")).send().await.unwrap();

    assert_eq!(answer.status(), 502);
    let taken: usize = clones
        .iter()
        .map(|(_, taken)| taken.load(Ordering::SeqCst))
        .sum();
    assert_eq!(
        taken, 2,
        "the request must be retried once, not at each clone"
    );
}

#[tokio::test]
async fn large_body_is_not_retried() {
    let (broken, taken) = breaks_off().await;
    let healthy = clone("clone-2").await;
    let front = balance(&[broken, healthy.addr]).await;

    let body = "x".repeat(64 * 1024 + 1);
    let answer = client()
        .put(front.url("/me/avatar"))
        .body(body)
        .send()
        .await
        .unwrap();

    assert_eq!(
        answer.status(),
        502,
        "the body was not kept, so the request must not be retried"
    );
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn hanging_clone_is_504() {
    let hangs = serve(Router::new().route("/", get(std::future::pending::<()>))).await;
    let timeouts = Timeouts {
        response: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let front = balance_with(timeouts, &[hangs.addr]).await;

    let answer = client().get(front.url("/")).send().await.unwrap();

    assert_eq!(answer.status(), 504);
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    assert_eq!(front.balancer.status()[0].failures, 1);
}

#[tokio::test]
async fn connection_with_incomplete_upload_is_not_reused() {
    // The clone responds before the body has come. It would take the rest of the body for the next
    // request.
    let clone = scripted(|_, mut stream| async move {
        if read_head(&mut stream).await.starts_with("POST") {
            stream.write_all(OK).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        } else {
            stream.write_all(OK).await.unwrap();
        }
    })
    .await;
    let front = balance(&[clone]).await;
    let mut slow = TcpStream::connect(front.addr).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
        .await
        .unwrap();
    assert!(read_head(&mut slow).await.starts_with("HTTP/1.1 200"));

    let answer = client().get(front.url("/")).send().await.unwrap();

    assert_eq!(answer.status(), 200);
}

/// A clone that reads a request with five bytes of its body, and closes the connection.
async fn swallows_five_bytes() -> SocketAddr {
    scripted(|_, mut stream| async move {
        if !read_head(&mut stream).await.is_empty() {
            let _ = stream.read_exact(&mut [0; 5]).await;
        }
    })
    .await
}

#[tokio::test]
async fn small_body_is_replayed_with_idempotent_request() {
    let echo = Router::new().route("/", axum::routing::any(|body: String| async move { body }));
    let (broken, healthy) = (swallows_five_bytes().await, serve(echo).await);
    // With round robin, the first clone gets the first request.
    for (method, key, status) in [
        (Method::PUT, None, 200),
        (Method::DELETE, None, 200),
        (Method::POST, Some("7f3a"), 200),
        (Method::POST, None, 502),
        (Method::PATCH, None, 502),
    ] {
        let front = balance(&[broken, healthy.addr]).await;
        let mut request = client()
            .request(method.clone(), front.url("/"))
            .body("hello");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} with the key {key:?}");
        if status == 200 {
            assert_eq!(
                answer.text().await.unwrap(),
                "hello",
                "the replayed body must be the same"
            );
            assert_eq!(front.balancer.status()[1].retries, 1);
        }
    }
}

#[tokio::test]
async fn incomplete_body_is_not_replayed() {
    let echo = Router::new().route("/", axum::routing::any(|body: String| async move { body }));
    let (broken, healthy) = (swallows_five_bytes().await, serve(echo).await);
    let front = balance(&[broken, healthy.addr]).await;
    let mut client = TcpStream::connect(front.addr).await.unwrap();
    // The clone reads the first half and closes the connection before the second half comes.
    let half = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    client.write_all(half).await.unwrap();

    let head = within_deadline("a response to half a request", read_head(&mut client)).await;

    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
    assert_eq!(
        front.balancer.status()[1].requests,
        0,
        "the other clone got half a body"
    );
}

#[tokio::test]
async fn deadline_counts_for_all_attempts_together() {
    let hangs = || serve(Router::new().route("/", get(std::future::pending::<()>)));
    let (first, second, third) = (hangs().await, hangs().await, hangs().await);
    let timeouts = Timeouts {
        response: Duration::from_millis(50),
        total: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let front = balance_with(timeouts, &[first.addr, second.addr, third.addr]).await;

    let answer = client().get(front.url("/")).send().await.unwrap();

    assert_eq!(answer.status(), 504);
    let requests: u64 = front
        .balancer
        .status()
        .iter()
        .map(|status| status.requests)
        .sum();
    assert_eq!(
        requests, 1,
        "the deadline had passed, but the request went to another clone"
    );
    let failures: u64 = front
        .balancer
        .status()
        .iter()
        .map(|status| status.failures)
        .sum();
    assert_eq!(
        failures, 1,
        "a clone that got no time must not count as failed"
    );
}
