//! What the balancer does with each header field, in both directions: one row per rule.
//!
//! The client and the clone are raw sockets, so a row is about bytes. A row begins with the section
//! that requires it: `9110` is RFC 9110 (semantics), `9112` is RFC 9112 (HTTP/1.1), `7239` is RFC
//! 7239 (`Forwarded`), `own` is a decision of this project.

mod rows;

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use self::rows::{DOWN, REFUSED, SHAPES, STARTS, UP, UP_FROM_A_PROXY};
use crate::support::{balance_over, scripted, within_deadline};

/// Each byte becomes a character, so that bytes outside ASCII stay visible.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|char| u8::try_from(char).expect("a byte"))
        .collect()
}

/// Sends `request` through a balancer to a clone that responds with `answer`. Returns the head that
/// the clone got, and all bytes that the client got.
async fn exchange(trusted: bool, request: &str, answer: &str) -> (String, String) {
    let (record, mut heads) = mpsc::unbounded_channel();
    let answer = bytes(answer);
    let clone = scripted(move |_, mut stream| {
        let (record, answer) = (record.clone(), answer.clone());
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => return,
                }
            }
            let _ = record.send(latin1(&head));
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    let proxies: Vec<IpAddr> = trusted.then(|| [127, 0, 0, 1].into()).into_iter().collect();
    let front = balance_over(|balancer| balancer.with_trusted_proxies(&proxies), &[clone]).await;
    let mut stream = TcpStream::connect(front.addr).await.unwrap();
    stream.write_all(&bytes(request)).await.unwrap();
    let mut got = Vec::new();
    within_deadline(
        "the response and the end of the connection",
        stream.read_to_end(&mut got),
    )
    .await
    .unwrap();
    (heads.try_recv().unwrap_or_default(), latin1(&got))
}

/// All values of a field in a raw head, in order.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.split("\r\n")
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches(' '))
        .collect()
}

#[tokio::test]
async fn request_fields_follow_their_rules() {
    for (rows, trusted) in [(UP, false), (UP_FROM_A_PROXY, true)] {
        for (section, lines, field, expected) in rows {
            let request = format!(
                "GET / HTTP/1.1\r\nHost: shop.example:8080\r\n{lines}\r\nConnection: close\r\n\r\n"
            );
            let (head, answer) = exchange(
                trusted,
                &request,
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            )
            .await;
            assert!(
                answer.ends_with("\r\n\r\nok"),
                "[{section}] {lines:?} gave\n{answer}"
            );
            assert_eq!(
                values(&head, field),
                *expected,
                "[{section}] `{field}` as the clone sees it after {lines:?}, in\n{head}"
            );
        }
    }
}

/// What a clone's `426 Upgrade Required` must keep (RFC 9110, sections 7.8 and 15.5.22).
#[tokio::test]
async fn upgrade_required_names_the_protocol() {
    // The second request is invalid, so the balancer closes the connection after it.
    let (_, answer) = exchange(
        false,
        "GET /chat HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade, keep-alive\r\n\
         Upgrade: websocket, TLS/1.2\r\nUpgrade: \u{e9}\r\nKeep-Alive: timeout=5\r\n\
         Content-Length: 2\r\n\r\nok",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert_eq!(
        values(&answer, "upgrade"),
        ["websocket, TLS/1.2", "\u{e9}"],
        "without `Upgrade` the client cannot know what to speak:\n{answer}"
    );
    assert_eq!(
        values(&answer, "connection"),
        ["Upgrade"],
        "`Upgrade` is for the next hop only, so `Connection` must name it:\n{answer}"
    );
    assert!(values(&answer, "keep-alive").is_empty(), "{answer}");
}

#[tokio::test]
async fn response_fields_follow_their_rules() {
    for (section, lines, field, expected) in DOWN {
        let clone = format!("HTTP/1.1 200 Fine\r\n{lines}\r\n\r\nok");
        let (_, answer) = exchange(
            false,
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            &clone,
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 200 "),
            "[{section}] {lines:?} gave\n{answer}"
        );
        assert_eq!(
            values(&answer, field),
            *expected,
            "[{section}] `{field}` as the client sees it after {lines:?}, in\n{answer}"
        );
        for once in ["date", "x-request-id"] {
            assert_eq!(
                values(&answer, once).len(),
                1,
                "[{section}] `{once}` in\n{answer}"
            );
        }
    }
}

#[tokio::test]
async fn response_body_and_length_match_status_and_method() {
    for (section, line, clone, status, body, length) in SHAPES {
        let request = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
        let (_, answer) = exchange(false, &request, clone).await;
        let (head, got) = answer
            .split_once("\r\n\r\n")
            .unwrap_or((&answer, "no end of the head"));
        assert_eq!(
            (
                head.lines().next(),
                got,
                values(head, "content-length").as_slice()
            ),
            (Some(*status), *body, *length),
            "[{section}] {line:?} and {clone:?} gave\n{answer}"
        );
        assert!(
            values(head, "link").is_empty() && values(head, "x-sum").is_empty(),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn request_line_is_rewritten_for_the_clone() {
    for (section, start, expected) in STARTS {
        let request = format!("{start}\r\nConnection: close\r\n\r\n");
        let (head, answer) = exchange(
            false,
            &request,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        let line = head.lines().next().unwrap_or_default();
        let got = [
            line,
            &values(&head, "host").join(" "),
            &values(&head, "via").join(" "),
        ];
        assert_eq!(got, *expected, "[{section}] {start:?} gave\n{answer}");
    }
}

#[tokio::test]
async fn refused_requests_reach_no_clone() {
    for (section, start, status) in REFUSED {
        let request = format!("{start}\r\nConnection: close\r\n\r\n");
        let (head, answer) = exchange(
            false,
            &request,
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.") && answer[8..].starts_with(&format!(" {status} ")),
            "[{section}] {start:?} gave\n{answer}"
        );
        assert_eq!(
            head, "",
            "[{section}] a refused request must not reach the clone"
        );
        let described = [
            values(&answer, "content-type"),
            values(&answer, "x-request-id"),
        ];
        assert_eq!(
            described[0],
            ["application/problem+json"],
            "[{section}] {start:?} gave\n{answer}"
        );
        assert_eq!(described[1].len(), 1);
    }
}

#[test]
fn tables_have_the_promised_size() {
    assert!(UP.len() >= 24 && DOWN.len() >= 24);
}
