//! Limits for connections, time and memory of one client. Other clients do not notice an attack.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use ch01_clones::balancer::Timeouts;
use ch01_clones::web::{limits::Limits, server::run_with};
use ch01_clones::{Balancer, Upstream};
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::support::{
    DropNotifier, balance_with, free_port, read_head, scripted, send_raw, serve, serve_with, until,
    within_deadline,
};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn hello() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/", post(async |body: Bytes| body.len().to_string()))
}

/// Sends a request over a connection that stays open. Returns the head of the response.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.unwrap();
    let head = read_head(stream).await;
    within_deadline("the body", stream.read_exact(&mut [0; 5]))
        .await
        .unwrap();
    head
}

#[tokio::test]
async fn connection_above_the_limit_is_refused() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let server = serve_with(limits, hello()).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        assert!(ask(&mut stream).await.starts_with("HTTP/1.1 200"));
        inside.push(stream);
    }

    let upload = [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n",
        &vec![b'x'; 8_000_000][..],
    ]
    .concat();
    for request in [GET, &upload] {
        // The request has no `Connection: close`, so the server must close the connection itself.
        let answer = send_raw(server.addr, request).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(
            answer.contains("\r\nconnection: close\r\n"),
            "the server closes the connection without `connection: close`: {answer}"
        );
        assert!(
            answer.contains("\r\nretry-after: 1\r\n")
                && answer.contains("application/problem+json"),
            "{answer}"
        );
    }
    for stream in &mut inside {
        assert!(
            ask(stream).await.starts_with("HTTP/1.1 200"),
            "an open connection was closed for a later one"
        );
    }

    inside.pop();
    until("the connection slot to be free again", async || {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        ask(&mut stream).await.starts_with("HTTP/1.1 200")
    })
    .await;
}

// Refused connections cost little memory and close no open connection.
#[tokio::test]
async fn refused_connections_do_not_disturb_open_ones() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = serve_with(limits, hello()).await;
    let mut inside = TcpStream::connect(server.addr).await.unwrap();
    ask(&mut inside).await;

    let mut crowd = Vec::new();
    for _ in 0..150 {
        crowd.push(TcpStream::connect(server.addr).await.unwrap());
        assert!(ask(&mut inside).await.starts_with("HTTP/1.1 200"));
    }
    // More connections than get a response at a time send nothing, and all of them are closed.
    for stream in &mut crowd {
        let _ = within_deadline(
            "a refused connection to be closed",
            stream.read_to_end(&mut Vec::new()),
        )
        .await;
    }
}

#[tokio::test]
async fn one_client_cannot_take_all_connections() {
    let limits = Limits {
        connections_per_client: 2,
        ..Limits::default()
    };
    let server = serve_with(limits, hello()).await;
    let mut greedy = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        ask(&mut stream).await;
        greedy.push(stream);
    }
    let answer = send_raw(server.addr, GET).await;
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );

    // On Linux all addresses of 127.0.0.0/8 are local; elsewhere only one is.
    if cfg!(target_os = "linux") {
        let other = TcpSocket::new_v4().unwrap();
        other.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let mut other = other.connect(server.addr).await.unwrap();
        assert!(
            ask(&mut other).await.starts_with("HTTP/1.1 200"),
            "another client must not be refused"
        );
    }
}

/// A balancer with these limits.
async fn front_with(limits: Limits, clone: SocketAddr) -> SocketAddr {
    let balancer = Balancer::new(vec![Upstream::new("clone-1", clone)]);
    front_of(limits, Arc::new(balancer)).await
}

/// Serves a balancer whose clients have these limits.
pub async fn front_of(limits: Limits, balancer: Arc<Balancer>) -> SocketAddr {
    let listener = free_port().await;
    let addr = listener.local_addr().unwrap();
    let service = tower::service_fn(move |request| {
        let balancer = balancer.clone();
        async move { Ok::<_, Infallible>(balancer.forward(request).await) }
    });
    tokio::spawn(run_with(limits, listener, service, std::future::pending()));
    addr
}

#[tokio::test]
async fn client_that_does_not_read_is_cut() {
    let (tell, mut dropped) = mpsc::unbounded_channel();
    let endless = move || async move {
        let guard = DropNotifier(tell);
        Body::from_stream(stream::repeat_with(move || {
            let _owned = &guard;
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 8 * 1024]))
        }))
    };
    let clone = serve(Router::new().route("/endless", get(endless)).merge(hello())).await;
    let limits = Limits {
        write_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let front = front_with(limits, clone.addr).await;
    let mut stream = TcpStream::connect(front).await.unwrap();
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();

    within_deadline(
        "the clone to stop responding to a client that does not read",
        dropped.recv(),
    )
    .await;

    let mut other = TcpStream::connect(front).await.unwrap();
    assert!(ask(&mut other).await.starts_with("HTTP/1.1 200"));
    drop(stream);
}

#[tokio::test]
async fn silent_clone_is_cut_off() {
    for (framing, half) in [
        ("Content-Length: 10", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
    ] {
        let (tell, mut closed) = mpsc::unbounded_channel();
        let clone = scripted(move |_, mut stream| {
            let tell = tell.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream
                    .write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{half}").as_bytes())
                    .await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
                let _ = tell.send(());
            }
        })
        .await;
        let timeouts = Timeouts {
            read: Duration::from_millis(50),
            ..Timeouts::default()
        };
        let front = balance_with(timeouts, &[clone]).await;

        let answer = send_raw(front.addr, GET).await;

        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with(half),
            "the response must not look complete: {answer}"
        );
        within_deadline(
            "the balancer to close the connection to the clone",
            closed.recv(),
        )
        .await;
        assert_eq!(front.balancer.status()[0].in_flight, 0);
    }
}

#[tokio::test]
async fn trickling_body_is_cut_off() {
    let limits = Limits {
        body_timeout: Duration::from_millis(300),
        body_rate: 1000,
        ..Limits::default()
    };
    let clone = serve(hello()).await;
    let front = front_with(limits, clone.addr).await;
    let mut stream = TcpStream::connect(front).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        .await
        .unwrap();
    let (mut receive, mut send) = stream.into_split();
    // There is never a pause of 300 ms, but the rate is too low.
    let drops = tokio::spawn(async move {
        while send.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });

    let mut answer = [0; 12];
    within_deadline(
        "the slow body to be cut off",
        receive.read_exact(&mut answer),
    )
    .await
    .unwrap();

    assert_eq!(&answer, b"HTTP/1.1 408");
    drop(receive);
    within_deadline("the connection to be closed", drops)
        .await
        .unwrap();
}

#[test]
fn limits_match_the_book() {
    let limits = Limits::default();
    assert!(limits.head_timeout <= Duration::from_secs(10));
    assert!(
        limits.connections_per_client < limits.connections,
        "one client could take all connections"
    );
    assert!(
        limits.connections_per_client > 1024,
        "a balancer is one client for its clones"
    );
    let timeouts = Timeouts::default();
    assert!(
        timeouts.read >= Duration::from_mins(1),
        "event streams send heartbeats, but not often"
    );
    assert!(timeouts.pool_idle < limits.head_timeout);
}

// The balancer is a process here: 500 connections need a thousand file descriptors.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn slow_heads_do_not_block_other_clients() {
    let clone = serve(hello()).await;
    let balancer = crate::gigabyte::BalancerProcess::start(clone.addr).await;
    let mut closed = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let mut stream = TcpStream::connect(balancer.addr).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX-Sl")
            .await
            .unwrap();
        closed.spawn(async move {
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            rest.len()
        });
    }

    // The default time-out of 10 s, and extra time for a busy machine.
    let patience = Limits::default().head_timeout + 2 * crate::support::DEADLINE;
    let (mut served, mut ended) = (0, 0);
    let mut user = TcpStream::connect(balancer.addr).await.unwrap();
    let all = async {
        while ended < 500 {
            assert!(
                ask(&mut user).await.starts_with("HTTP/1.1 200"),
                "half heads block other clients"
            );
            served += 1;
            while closed.try_join_next().is_some() {
                ended += 1;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(patience, all).await;

    assert!(
        in_time.is_ok(),
        "after {patience:?} only {ended} of 500 half-open connections are closed"
    );
    assert!(served > 10, "{served}");
}
