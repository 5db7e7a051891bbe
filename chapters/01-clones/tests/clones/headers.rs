//! Addresses, paths and request ids through the balancer. `header_table` has the rules of each
//! field.

use std::sync::Arc;

use ch01_clones::{Balancer, Upstream, balancer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::{
    TestBalancer, balance, client, clone, header, read_head, scripted, send_raw, within_deadline,
};

/// A balancer before a clone that records each head and answers with `response`.
async fn recorder(response: &'static str) -> (TestBalancer, mpsc::UnboundedReceiver<String>) {
    let (record, heads) = mpsc::unbounded_channel();
    let clone = scripted(move |_, mut stream| {
        let record = record.clone();
        async move {
            let head = read_head(&mut stream).await;
            let _ = stream.write_all(response.as_bytes()).await;
            let _ = record.send(head);
        }
    })
    .await;
    (balance(&[clone]).await, heads)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// All values of a field in a raw head, in order.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

#[tokio::test]
async fn client_cannot_forge_its_address() {
    let (front, mut heads) = recorder(OK).await;
    let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
        X-Forwarded-Proto: https\r\nX-Request-Id: a\r\nX-Request-Id: b\r\nConnection: close\r\n\r\n";
    send_raw(front.addr, sent).await;
    let head = within_deadline("the clone to get the request", heads.recv())
        .await
        .unwrap();
    assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(
        values(&head, "x-request-id").len(),
        1,
        "two ids must become one"
    );
}

#[tokio::test]
async fn http_1_0_and_head_requests_pass() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    let old = send_raw(front.addr, "GET /whoami HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(
        old.starts_with("HTTP/1.0 200") && old.ends_with("\r\n\r\nclone-1\n"),
        "{old}"
    );
    let head = send_raw(
        front.addr,
        "HEAD /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(values(&head, "content-length"), ["8"], "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

/// The health checks of HAProxy (`option httpchk`) send no `Host`.
#[tokio::test]
async fn http_1_0_needs_no_host() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    for addr in [front.addr, clone.addr] {
        let answer = send_raw(addr, "OPTIONS /healthz HTTP/1.0\r\n\r\n").await;
        assert!(!answer.contains(" 400 "), "{answer}");
        let answer = send_raw(addr, "GET /healthz HTTP/1.0\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }
}

/// A listener for IPv6 also gets IPv4 connections, from addresses such as `::ffff:127.0.0.1`.
#[tokio::test]
async fn mapped_address_is_its_ipv4_address() {
    for trusted in ["127.0.0.1", "::ffff:127.0.0.1"] {
        for listen in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0"] {
            let (record, mut heads) = mpsc::unbounded_channel();
            let clone = scripted(move |_, mut stream| {
                let record = record.clone();
                async move {
                    let _ = record.send(read_head(&mut stream).await);
                    let _ = stream.write_all(OK.as_bytes()).await;
                }
            })
            .await;
            let front = Balancer::new(vec![Upstream::new("clone-1", clone)])
                .with_trusted_proxies(&[trusted.parse().unwrap()]);
            let listener = TcpListener::bind(listen).await.unwrap();
            let addr = listener.local_addr().unwrap();
            let task = tokio::spawn(balancer::run(
                listener,
                Arc::new(front),
                std::future::pending(),
            ));
            let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\
                Forwarded: for=6.6.6.6\r\nConnection: close\r\n\r\n";
            send_raw(addr, sent).await;
            let head = within_deadline("the clone to get the request", heads.recv())
                .await
                .unwrap();
            assert_eq!(
                values(&head, "x-forwarded-for"),
                ["6.6.6.6, 127.0.0.1"],
                "listening on {listen}, trusting {trusted}"
            );
            assert_eq!(
                values(&head, "forwarded"),
                ["for=6.6.6.6", "for=127.0.0.1"],
                "listening on {listen}, trusting {trusted}"
            );
            task.abort();
        }
    }
}

#[tokio::test]
async fn path_and_query_pass_byte_for_byte() {
    let (front, mut heads) = recorder(OK).await;
    for target in [
        "/a%2Fb//c/../d?x=%20&y=+&x=1",
        "/?",
        "/%C3%A9?q=caf%C3%A9",
        "/a;b=c,d",
        "/?a=//b",
    ] {
        send_raw(
            front.addr,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        )
        .await;
        let head = within_deadline("the clone to get the request", heads.recv())
            .await
            .unwrap();
        assert_eq!(
            head.lines().next(),
            Some(format!("GET {target} HTTP/1.1").as_str())
        );
    }
}

#[tokio::test]
async fn request_keeps_its_id_or_gets_one() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    for url in [
        front.url("/whoami"),
        format!("http://{}/nowhere", clone.addr),
    ] {
        let answer = client()
            .get(&url)
            .header("x-request-id", "abc.DEF_1-2")
            .send()
            .await
            .unwrap();
        assert_eq!(header(&answer, "x-request-id"), "abc.DEF_1-2");
        assert_eq!(header(&answer, "x-served-by"), "clone-1");

        let too_long = "a".repeat(129);
        for bad in ["", "two words", "<script>", too_long.as_str()] {
            let answer = client()
                .get(&url)
                .header("x-request-id", bad)
                .send()
                .await
                .unwrap();
            let id = header(&answer, "x-request-id");
            assert_eq!(
                uuid::Uuid::parse_str(id).map(|id| id.get_version_num()),
                Ok(7),
                "{bad:?} became {id:?}"
            );
        }
    }
}
