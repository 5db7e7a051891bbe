//! Clients that end their side of the connection after the request (*half-close*), and clients that
//! disconnect.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use ch01_clones::web::limits::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use crate::support::{
    DropNotifier, balance, client, read_head, serve, serve_with, until, within_deadline,
};

/// A clone that responds to `POST /` when the test allows it, and tells the test when the request
/// has come.
async fn held_clone() -> (
    crate::support::TestServer,
    mpsc::UnboundedReceiver<()>,
    Arc<Notify>,
) {
    let (tell, started) = mpsc::unbounded_channel();
    let finish = Arc::new(Notify::new());
    let wait = Arc::clone(&finish);
    let handler = move |body: Bytes| async move {
        tell.send(()).unwrap();
        wait.notified().await;
        body
    };
    let router = Router::new()
        .route("/", post(handler))
        .route("/ping", get("pong"));
    (serve(router).await, started, finish)
}

#[tokio::test]
async fn half_closed_client_gets_its_response() {
    let (clone, mut started, finish) = held_clone().await;
    let front = balance(&[clone.addr]).await;
    for (way, addr) in [
        ("directly", clone.addr),
        ("through the balancer", front.addr),
    ] {
        for body in ["", "hello"] {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let length = body.len();
            let request =
                format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(request.as_bytes()).await.unwrap();
            within_deadline("the request to start", started.recv()).await;
            stream.shutdown().await.unwrap();
            // The server takes the end of the connection before these later requests.
            for _ in 0..20 {
                let url = format!("http://{addr}/ping");
                assert_eq!(client().get(url).send().await.unwrap().status(), 200);
            }

            finish.notify_one();

            let mut response = String::new();
            let end = stream.read_to_string(&mut response);
            within_deadline("the response and the end of the connection", end)
                .await
                .unwrap();
            assert!(
                response.starts_with("HTTP/1.1 200") && response.ends_with(body),
                "{way}, with the body {body:?}: a half-closed client got {response:?}"
            );
        }
    }
}

#[tokio::test]
async fn half_closed_upload_is_broken_at_once() {
    let (tell, mut results) = mpsc::unbounded_channel();
    let handler = move |request: axum::extract::Request| async move {
        let body = axum::body::to_bytes(request.into_body(), 1024).await;
        tell.send(body.is_err()).unwrap();
    };
    // The server's patience with half-closed connections must not matter.
    let limits = Limits {
        half_close_timeout: Duration::from_hours(1),
        ..Limits::default()
    };
    let clone = serve_with(limits, Router::new().route("/", post(handler))).await;
    let front = balance(&[clone.addr]).await;
    for addr in [clone.addr, front.addr] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let half = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
        stream.write_all(half).await.unwrap();
        stream.shutdown().await.unwrap();
        let is_broken = within_deadline("the clone to get the error", results.recv()).await;
        assert_eq!(is_broken, Some(true), "half a body passed as a whole one");
    }
}

#[tokio::test]
async fn reset_ends_the_request_at_once() {
    let (tell, mut events) = mpsc::unbounded_channel();
    let handler = move || async move {
        tell.send(()).unwrap();
        let _guard = DropNotifier(tell);
        std::future::pending::<()>().await;
    };
    let limits = Limits {
        half_close_timeout: Duration::from_hours(1),
        ..Limits::default()
    };
    let clone = serve_with(limits, Router::new().route("/", get(handler))).await;
    let stream = crate::streaming::get_slash(clone.addr).await;
    within_deadline("the request to start", events.recv()).await;

    // A linger time of zero makes the kernel send a reset.
    stream.set_zero_linger().unwrap();
    drop(stream);

    within_deadline("the clone to give up the request", events.recv()).await;
}

#[tokio::test]
async fn closed_idle_connection_frees_its_place() {
    let limits = Limits {
        connections: 1,
        half_close_timeout: Duration::from_hours(1),
        ..Limits::default()
    };
    let server = serve_with(limits, Router::new().route("/", get("hello"))).await;
    let mut stream = crate::streaming::get_slash(server.addr).await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream.read_exact(&mut [0; 5]).await.unwrap();

    drop(stream);

    until("the place of the closed connection", async || {
        let answer = client().get(server.url("/")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}
