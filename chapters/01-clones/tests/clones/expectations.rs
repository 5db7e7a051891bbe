//! `Expect: 100-continue`: the clone decides whether the client sends its body.

use std::time::Duration;

use ch01_clones::balancer::Timeouts;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::retries::breaks_off;
use crate::support::{
    TestBalancer, balance, balance_with, clone, read_head, scripted, within_deadline,
};

const HEAD: &str =
    "PUT /me/avatar HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

/// Sends the head of an upload of five bytes.
async fn begin_upload(front: &TestBalancer) -> TcpStream {
    let mut stream = TcpStream::connect(front.addr).await.unwrap();
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    stream
}

/// A clone that sends `interim` after the head, reads five bytes, and responds with them.
async fn echoes_after(interim: &'static str) -> std::net::SocketAddr {
    scripted(move |_, mut stream| async move {
        let head = read_head(&mut stream).await;
        assert!(
            head.contains("100-continue"),
            "the clone must learn that the client waits:\n{head}"
        );
        stream.write_all(interim.as_bytes()).await.unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).await.unwrap();
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        stream.write_all(response).await.unwrap();
        stream.write_all(&body).await.unwrap();
    })
    .await
}

/// Sends the body after the 100, and checks that it comes back.
async fn finish_upload(mut stream: TcpStream) {
    let interim = read_head(&mut stream).await;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");
    stream.write_all(b"hello").await.unwrap();
    let response = read_head(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let mut body = [0; 5];
    within_deadline("the body", stream.read_exact(&mut body))
        .await
        .unwrap();
    assert_eq!(&body, b"hello");
}

#[tokio::test]
async fn refused_upload_is_not_requested() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    let mut stream = begin_upload(&front).await;

    let response = read_head(&mut stream).await;
    assert!(
        response.starts_with("HTTP/1.1 401 "),
        "the balancer asked for a body before the clone had decided:\n{response}"
    );
    let mut rest = Vec::new();
    within_deadline("the end of the connection", stream.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(
        !rest.windows(8).any(|bytes| bytes == b"HTTP/1.1"),
        "another response followed"
    );
}

#[tokio::test]
async fn continue_of_the_clone_reaches_the_client() {
    let clone = echoes_after("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
    let timeouts = Timeouts {
        expect_continue: Duration::from_hours(1),
        ..Timeouts::default()
    };
    let front = balance_with(timeouts, &[clone]).await;
    finish_upload(begin_upload(&front).await).await;
}

#[tokio::test]
async fn silent_clone_gets_the_body_in_time() {
    let clone = echoes_after("").await;
    let timeouts = Timeouts {
        expect_continue: Duration::from_millis(10),
        ..Timeouts::default()
    };
    let front = balance_with(timeouts, &[clone]).await;
    finish_upload(begin_upload(&front).await).await;
}

#[tokio::test]
async fn unsent_body_can_go_to_another_clone() {
    let (broken, _) = breaks_off().await;
    let healthy = echoes_after("HTTP/1.1 100 Continue\r\n\r\n").await;
    let front = balance(&[broken, healthy]).await;
    finish_upload(begin_upload(&front).await).await;
    assert_eq!(front.balancer.status()[1].retries, 1);
}
