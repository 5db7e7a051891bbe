//! Response splitting: a clone sends more, less or something else than one response. The next
//! client must get no part of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::client::Client;
use super::unchecked_proxy;
use crate::support::{balance, read_head, scripted, within_deadline};

/// The name, the method, the clone's bytes, and what the client gets. `nothing` means that the
/// connection ends in the middle.
type Split = (&'static str, &'static str, &'static str, &'static str);

const STRAY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";

/// Bytes that a clone sends instead of one response. `[stray]` stands for [`STRAY`].
#[rustfmt::skip]
const SPLITS: &[Split] = &[
    ("two responses", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok[stray]", "200 ok"),
    ("two responses, the first one in chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n[stray]", "200 ok"),
    ("two responses, the first one empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n[stray]", "200 "),
    ("more than its length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more", "200 ok"),
    ("a body for `HEAD`", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n[stray]", "200 "),
    ("a body for 204", "GET", "HTTP/1.1 204 No Content\r\n\r\n[stray]", "204 "),
    ("a body for 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 43\r\n\r\n[stray]", "304 "),
    ("two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 45\r\n\r\nok[stray]", "502"),
    ("the same length twice", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "502"),
    ("a list of lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok[stray]", "502"),
    ("an empty list of lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\n\r\n[stray]", "502"),
    ("a length with a sign", "GET", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok[stray]", "502"),
    ("an octal length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nok[stray]", "502"),
    ("a length and a coding", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n[stray]", "502"),
    ("a length and a coding for `HEAD`", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n", "502"),
    ("an unknown coding", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "502"),
    ("a coding without an end", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok[stray]", "502"),
    ("`chunked` twice", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "502"),
    ("a coding in HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "502"),
    ("an invalid chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok[stray]", "nothing"),
    ("a protocol that the client did not request", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n[stray]", "502"),
    ("bytes that are not HTTP", "GET", "220 mail.example ESMTP\r\n\r\n", "502"),
    ("a folded line", "GET", "HTTP/1.1 200 OK\r\nX: 1\r\n Content-Length: 2\r\n\r\nok[stray]", "502"),
    ("a space before the colon", "GET", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok[stray]", "502"),
    ("a NUL", "GET", "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok[stray]", "502"),
];

/// A clone that sends `bad` for its first request, and the path for each later one.
async fn clone(bad: String) -> SocketAddr {
    let first = Arc::new(Mutex::new(Some(bad)));
    scripted(move |_, mut stream| {
        let first = first.clone();
        async move {
            loop {
                let head = read_head(&mut stream).await;
                let Some(path) = head.split_whitespace().nth(1) else {
                    return;
                };
                let honest = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                    path.len()
                );
                let answer = first.lock().unwrap().take().unwrap_or(honest);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn no_client_gets_rest_of_another_response() {
    for (name, method, said, expected) in SPLITS {
        let front = balance(&[clone(said.replace("[stray]", STRAY)).await]).await;
        let mut client = Client::connect(front.addr).await;
        client.is_head = *method == "HEAD";
        client
            .send(format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .await;
        let got = client.response().await;
        assert_eq!(
            got.as_deref().unwrap_or("nothing"),
            *expected,
            "{name}: the client that sent the request"
        );
        for path in ["/b", "/c"] {
            let next = Client::get(front.addr, path).await;
            assert_eq!(next, Some(format!("200 {path}")), "{name}: the next client");
        }
    }
}

#[tokio::test]
async fn unchecked_proxy_is_caught_splitting() {
    for (name, _, said, _) in &SPLITS[..1] {
        let front = unchecked_proxy::start(clone(said.replace("[stray]", STRAY)).await).await;
        assert_eq!(Client::get(front, "/a").await.as_deref(), Some("200 ok"));
        let next = Client::get(front, "/b").await;
        assert_eq!(
            next.as_deref(),
            Some("200 stray"),
            "{name}: the table does not catch a proxy without checks"
        );
    }
}

// Bytes on an unused connection close it, also when they come late.
#[tokio::test]
async fn unrequested_bytes_close_the_connection() {
    let (tell, mut closed) = mpsc::unbounded_channel();
    let (say, wait) = tokio::sync::watch::channel(false);
    let clone = scripted(move |number, mut stream: TcpStream| {
        let (tell, mut wait) = (tell.clone(), wait.clone());
        async move {
            read_head(&mut stream).await;
            let answer = if number == 0 { "first" } else { "other" };
            let _ = stream
                .write_all(
                    format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{answer}").as_bytes(),
                )
                .await;
            if number == 0 {
                let _ = wait.wait_for(|say| *say).await;
                let _ = stream.write_all(STRAY.as_bytes()).await;
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
            let _ = tell.send(number);
        }
    })
    .await;
    let front = balance(&[clone]).await;
    assert_eq!(
        Client::get(front.addr, "/a").await.as_deref(),
        Some("200 first")
    );

    say.send(true).unwrap();
    assert_eq!(
        within_deadline("the balancer to close the connection", closed.recv()).await,
        Some(0)
    );

    assert_eq!(
        Client::get(front.addr, "/b").await.as_deref(),
        Some("200 other")
    );
}
