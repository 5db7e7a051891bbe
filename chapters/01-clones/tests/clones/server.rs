//! The HTTP server: time-outs, and requests in flight at a shutdown.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use ch01_clones::web::{limits::Limits, server::run_with};
use ch01_clones::{Balancer, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{
    balance, client, clone, read_head, send_raw, serve, serve_with, until, within_deadline,
};

#[tokio::test]
async fn half_a_head_is_cut_off() {
    let limits = Limits {
        head_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = serve_with(limits, Router::new()).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHos").await.unwrap();

    let mut rest = Vec::new();
    let _ = within_deadline(
        "the server to close a connection with half a head",
        stream.read_to_end(&mut rest),
    )
    .await;
}

#[tokio::test]
async fn clone_accepts_what_the_balancer_accepts() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    for (fields, status) in [
        (97, "200"),
        (98, "200"),
        (100, "200"),
        (101, "431"),
        (128, "431"),
    ] {
        // `Host` and `Connection` count too.
        let more = "X-More: 1\r\n".repeat(fields - 2);
        let request = format!("GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{more}\r\n");
        let answer = send_raw(front.addr, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{fields} fields: did the balancer's own fields make the request too large for the clone?\n{answer}"
        );
        // A clone adds its name to its responses, so the header shows which server rejected.
        assert_eq!(
            answer.contains("x-served-by"),
            status == "200",
            "{fields} fields:\n{answer}"
        );
    }
}

#[tokio::test]
async fn half_a_body_is_cut_off() {
    let limits = Limits {
        body_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let router = || Router::new().route("/", post(async |_: String| "read"));
    let (impatient, patient) = (serve_with(limits, router()).await, serve(router()).await);
    let balancer = Arc::new(Balancer::new(vec![Upstream::new("clone-1", patient.addr)]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap();
    let service = tower::service_fn(move |request| {
        let balancer = balancer.clone();
        async move { Ok::<_, Infallible>(balancer.forward(request).await) }
    });
    tokio::spawn(run_with(limits, listener, service, std::future::pending()));

    // The clone only sees that the body failed. The balancer sees both sides and reports the cause.
    for (addr, status) in [(impatient.addr, "400"), (front, "408")] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345";
        stream.write_all(half).await.unwrap();
        let head = within_deadline("an answer to half a body", read_head(&mut stream)).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

#[tokio::test]
async fn shutdown_finishes_requests_and_rejects_new_connections() {
    let (tell, mut started) = mpsc::unbounded_channel();
    let (finish, wait) = tokio::sync::watch::channel(false);
    let handler = move || async move {
        tell.send(()).unwrap();
        wait.clone().wait_for(|finish| *finish).await.unwrap();
        "finished"
    };
    let mut server = serve(Router::new().route("/", get(handler))).await;
    let addr = server.addr;
    let url = format!("http://{addr}/");
    let in_flight = tokio::spawn(async move {
        client()
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    });
    within_deadline("the request to start", started.recv()).await;

    server.begin_stop();
    until("new connections to be refused", || async {
        TcpStream::connect(addr).await.is_err()
    })
    .await;
    assert!(!in_flight.is_finished());
    finish.send(true).unwrap();

    assert_eq!(
        within_deadline("the request in flight", in_flight)
            .await
            .unwrap(),
        "finished"
    );
    server.stopped().await;
}

// One thread, and no `await` before the end of the loop: the server has seen no connection when the
// shutdown begins.
#[tokio::test]
async fn a_shutdown_serves_those_whose_connection_stands_already() {
    let mut server = serve(Router::new().route("/", get(|| async { "ok" }))).await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = std::net::TcpStream::connect(server.addr).unwrap();
        std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        client.set_nonblocking(true).unwrap();
        clients.push(TcpStream::from_std(client).unwrap());
    }

    server.begin_stop();

    for (number, client) in clients.iter_mut().enumerate() {
        let head = read_head(client).await;
        assert!(
            head.starts_with("HTTP/1.1 200"),
            "client {number} of 30 was connected, so the server must respond"
        );
    }
    server.stopped().await;
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let (tell, mut started) = mpsc::unbounded_channel();
    let handler = move || async move {
        tell.send(()).unwrap();
        std::future::pending::<()>().await;
    };
    let limits = Limits {
        shutdown_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut server = serve_with(limits, Router::new().route("/", get(handler))).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    within_deadline("the request to start", started.recv()).await;

    server.begin_stop();
    server.stopped().await;

    let head = read_head(&mut stream).await;
    assert_eq!(head, "", "the connection outlived its server");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_idle_connections() {
    let limits = Limits {
        shutdown_timeout: Duration::from_hours(1),
        head_timeout: Duration::from_hours(1),
        ..Limits::default()
    };
    let server = serve_with(limits, Router::new().route("/", get(|| async { "ok" }))).await;
    let client = client();
    assert_eq!(
        client
            .get(format!("http://{}/", server.addr))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "ok"
    );

    server.stop().await;
}
