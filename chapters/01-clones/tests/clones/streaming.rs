//! Bodies pass in pieces, and each side notices when the other side leaves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Request;
use axum::{Router, routing::get, routing::post};
use bytes::Bytes;
use ch01_clones::Problem;
use futures_util::stream::poll_fn;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{DropNotifier, balance, read_head, serve, within_deadline};

/// A clone whose response to `GET /` consists of the pieces that the test sends into the channel.
pub async fn dictated() -> (
    crate::support::TestServer,
    mpsc::UnboundedSender<Bytes>,
    mpsc::UnboundedReceiver<()>,
) {
    let (pieces, dictation) = mpsc::unbounded_channel::<Bytes>();
    let (tell, dropped) = mpsc::unbounded_channel();
    let once = Arc::new(Mutex::new(Some((dictation, DropNotifier(tell)))));
    let handler = move || async move {
        let (mut dictation, guard) = once.lock().unwrap().take().expect("one request only");
        Body::from_stream(poll_fn(move |context| {
            let _owned = &guard;
            dictation
                .poll_recv(context)
                .map(|piece| piece.map(Ok::<_, std::io::Error>))
        }))
    };
    (
        serve(Router::new().route("/", get(handler))).await,
        pieces,
        dropped,
    )
}

pub async fn get_slash(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    stream
}

/// Reads one chunk of the length of `piece`.
pub async fn read_chunk(stream: &mut TcpStream, piece: &str) -> String {
    let mut chunk = vec![0; format!("{:X}\r\n{piece}\r\n", piece.len()).len()];
    within_deadline("a piece of the body", stream.read_exact(&mut chunk))
        .await
        .unwrap();
    String::from_utf8(chunk).unwrap()
}

#[tokio::test]
async fn response_streams_before_it_is_complete() {
    let (clone, pieces, _dropped) = dictated().await;
    let front = balance(&[clone.addr]).await;
    let mut stream = get_slash(front.addr).await;

    // The clone sends each piece only after the client has the one before. A balancer that waits
    // for the whole body would wait for ever.
    for piece in ["one", "two", "three"] {
        pieces.send(Bytes::from(piece)).unwrap();
        if piece == "one" {
            assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
        }
        assert!(read_chunk(&mut stream, piece).await.contains(piece));
    }
    drop(pieces);
    let mut end = [0; 5];
    within_deadline("the end of the body", stream.read_exact(&mut end))
        .await
        .unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
}

#[tokio::test]
async fn upload_streams_before_it_is_complete() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let handler = move |request: Request| async move {
        let mut body = request.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            arrived.send(frame.into_data().unwrap()).unwrap();
        }
        "thanks"
    };
    let clone = serve(Router::new().route("/", post(handler))).await;
    let front = balance(&[clone.addr]).await;
    let mut stream = TcpStream::connect(front.addr).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        .await
        .unwrap();

    for piece in [b"first", b"again"] {
        stream.write_all(piece).await.unwrap();
        let got = within_deadline("the piece to reach the clone", arrivals.recv())
            .await
            .unwrap();
        assert_eq!(&got[..], piece);
    }
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn clone_notices_client_that_leaves_mid_response() {
    let (clone, pieces, mut dropped) = dictated().await;
    let front = balance(&[clone.addr]).await;
    let mut stream = get_slash(front.addr).await;
    pieces.send(Bytes::from("one")).unwrap();
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 200"));
    read_chunk(&mut stream, "one").await;

    drop(stream);

    within_deadline(
        "the clone to stop responding to a client that has left",
        dropped.recv(),
    )
    .await;
}

#[tokio::test]
async fn clone_notices_client_that_leaves_before_response() {
    let (tell, mut events) = mpsc::unbounded_channel();
    let handler = move || async move {
        tell.send(()).unwrap();
        let _guard = DropNotifier(tell);
        std::future::pending::<()>().await;
    };
    let clone = serve(Router::new().route("/", get(handler))).await;
    let front = balance(&[clone.addr]).await;
    let stream = get_slash(front.addr).await;
    within_deadline("the request to reach the clone", events.recv()).await;

    drop(stream);

    within_deadline("the clone to give up the request", events.recv()).await;
}

#[tokio::test]
async fn refused_upload_gets_its_response() {
    let refuse = || async { Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "at most 1 MiB, please") };
    let clone = serve(Router::new().route("/", post(refuse))).await;
    let front = balance(&[clone.addr]).await;
    let body = vec![b'x'; 8 * 1024 * 1024];

    for (way, addr) in [
        ("directly", clone.addr),
        ("through the balancer", front.addr),
    ] {
        for round in 0..10 {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            // Like many clients, this one reads the response only after it has sent everything.
            let sent = within_deadline("the upload to be taken", stream.write_all(&body)).await;
            assert!(
                sent.is_ok(),
                "{way}, round {round}: {sent:?}; was the connection closed with unread bytes in it?"
            );
            let answer = read_head(&mut stream).await;
            assert!(
                answer.starts_with("HTTP/1.1 413"),
                "{way}, round {round}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn expect_continue_refuses_before_the_upload() {
    // Drops the request, and does other work before it responds, such as a query to a store.
    let refuse = |request: Request| async {
        drop(request);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "at most 1 MiB, please")
    };
    let clone = serve(Router::new().route("/", post(refuse))).await;
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n";
    let answer = crate::support::send_raw(clone.addr, request).await;
    assert!(
        answer.starts_with("HTTP/1.1 413"),
        "the clone sent `100 Continue` and then rejected the body:\n{answer}"
    );
}

#[tokio::test]
async fn chunked_upload_passes() {
    let clone = serve(Router::new().route("/", post(|body: String| async move { body }))).await;
    let front = balance(&[clone.addr]).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
        5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let answer = crate::support::send_raw(front.addr, request).await;
    assert!(answer.ends_with("\r\n\r\nhello world"), "{answer}");
}
