//! What the balancer does with each header field, in both directions: one row per rule.
//!
//! The client and the clone are raw sockets, so a row is about bytes. A row begins with the section
//! that requires it: `9110` is RFC 9110 (semantics), `9112` is RFC 9112 (HTTP/1.1), `7239` is RFC
//! 7239 (`Forwarded`), `own` is a decision of this project.

use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

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

/// The section, the sent lines, the checked field, and its values on the other side.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
const UP: &[Row] = &[
    ("9110 7.6.1", "Connection: keep-alive", "connection", &[]),
    ("9110 7.6.1", "Connection: x-secret\r\nX-Secret: 1", "x-secret", &[]),
    ("9110 7.6.1", "Connection: a\r\nConnection:,, X-OTHER ,\r\nX-Other: 1\r\nx-other: 2", "x-other", &[]),
    ("9110 7.6.1", "Connection: x-secret, \u{e9}\r\nX-Secret: 1", "x-secret", &[]),
    // Only the client itself is affected.
    ("9110 7.6.1", "Connection: cookie\r\nCookie: a=1", "cookie", &[]),
    ("9110 7.6.1", "Connection: close, x-absent\r\nAccept: text/html", "accept", &["text/html"]),
    // `Connection` cannot remove these: the message would lose its host, length or origin.
    ("own", "Connection: host", "host", &["shop.example:8080"]),
    ("own", "Connection: content-length\r\nContent-Length: 0", "content-length", &["0"]),
    ("own", "Connection: x-request-id\r\nX-Request-Id: mine.1", "x-request-id", &["mine.1"]),
    ("own", "Connection: via\r\nVia: 1.0 cache", "via", &["1.0 cache", "1.1 workshop"]),
    ("own", "Connection: x-forwarded-for\r\nX-Forwarded-For: 6.6.6.6", "x-forwarded-for", &["127.0.0.1"]),
    ("9112 C.2.2", "Keep-Alive: timeout=5", "keep-alive", &[]),
    ("9112 C.2.2", "Proxy-Connection: keep-alive", "proxy-connection", &[]),
    ("9110 11.7.2", "Proxy-Authorization: Basic eA==", "proxy-authorization", &[]),
    // CGI programs would take it for the variable `HTTP_PROXY` (CVE-2016-5385).
    ("own", "Proxy: evil.example:80", "proxy", &[]),
    ("9110 10.1.4", "TE: trailers", "te", &[]),
    ("9110 6.6.2", "Trailer: x-sum", "trailer", &[]),
    ("9110 7.8", "Connection: upgrade\r\nUpgrade: h2c", "upgrade", &[]),
    ("9110 7.8", "HTTP2-Settings: AAMAAABkAAQAAP__", "http2-settings", &[]),
    ("9110 10.1.1", "Expect: 100-continue", "expect", &[]),
    ("9110 7.6.3", "Accept: */*", "via", &["1.1 workshop"]),
    ("9110 7.6.3", "Via: 1.0 a, 1.1 b\r\nVia: 1.1 c", "via", &["1.0 a, 1.1 b", "1.1 c", "1.1 workshop"]),
    ("own", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7", "x-forwarded-for", &["127.0.0.1"]),
    ("own", "X-Forwarded-Proto: https", "x-forwarded-proto", &["http"]),
    ("7239 8.1", "Forwarded: for=6.6.6.6", "forwarded", &[]),
    ("own", "X-Forwarded-Host: evil", "x-forwarded-host", &[]),
    ("own", "X-Real-IP: 6.6.6.6", "x-real-ip", &[]),
    ("own", "X-Forwarded-Port: 443", "x-forwarded-port", &[]),
    ("own", "X-Forwarded-Prefix: /evil", "x-forwarded-prefix", &[]),
    ("own", "X-Forwarded-Server: evil", "x-forwarded-server", &[]),
    ("own", "X-Forwarded-Ssl: on", "x-forwarded-ssl", &[]),
    ("own", "X-Forwarded: for=6.6.6.6", "x-forwarded", &[]),
    ("own", "X-Forwarded-Of-Tomorrow: 1", "x-forwarded-of-tomorrow", &[]),
    ("own", "X-Forwarded_Port: 443", "x-forwarded_port", &[]),
    ("own", "X_Forwarded_For: 6.6.6.6", "x_forwarded_for", &[]),
    ("own", "Content_Length: 7", "content_length", &[]),
    ("own", "X_Colour: red", "x_colour", &["red"]),
    ("own", "X-Request-Id: a\r\nX-Request-Id: b\r\nX-Odd: 1", "x-odd", &["1"]),
    ("9110 7.2", "Accept: */*", "host", &["shop.example:8080"]),
    ("9110 11.6.2", "Authorization: Bearer x", "authorization", &["Bearer x"]),
    ("9110 5.3", "Cookie: a=1\r\nCookie: b=2", "cookie", &["a=1", "b=2"]),
    ("9110 5.5", "X-Empty:", "x-empty", &[""]),
    ("9110 5.5", "X-Name: caf\u{c3}\u{a9} \u{ff}", "x-name", &["caf\u{c3}\u{a9} \u{ff}"]),
    ("9110 5.5", "X-Spaced: \t two  words \t", "x-spaced", &["two  words"]),
    ("9110 8.6", "Content-Length: 0", "content-length", &["0"]),
    ("9110 8.6", "Accept: */*", "content-length", &[]),
    ("9112 6.1", "Accept: */*", "transfer-encoding", &[]),
    ("9110 6.6.1", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "date", &["Tue, 15 Nov 1994 08:12:31 GMT"]),
    ("9110 6.6.1", "Accept: */*", "date", &[]),
];

/// The same, sent by a trusted proxy.
#[rustfmt::skip]
const UP_FROM_A_PROXY: &[Row] = &[
    ("own", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 8.8.8.8", "x-forwarded-for", &["6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1"]),
    ("own", "Connection: x-forwarded-for\r\nX-Forwarded-For: 6.6.6.6", "x-forwarded-for", &["6.6.6.6, 127.0.0.1"]),
    ("9110 5.5", "X-Forwarded-For: \u{e9}, 6.6.6.6\r\nX-Forwarded-For: \u{ff}", "x-forwarded-for", &["\u{e9}, 6.6.6.6, \u{ff}, 127.0.0.1"]),
    ("own", "Connection: x-forwarded-host\r\nX-Forwarded-Host: shop", "x-forwarded-host", &["shop"]),
    ("own", "Connection: X-FORWARDED-PORT\r\nX-Forwarded-Port: 443", "x-forwarded-port", &["443"]),
    ("own", "Connection: x-real-ip\r\nX-Real-IP: 6.6.6.6", "x-real-ip", &["6.6.6.6"]),
    ("own", "Connection: x-forwarded-of-tomorrow\r\nX-Forwarded-Of-Tomorrow: 1", "x-forwarded-of-tomorrow", &["1"]),
    ("own", "Accept: */*", "x-forwarded-for", &["127.0.0.1"]),
    ("own", "X-Forwarded-Proto: https", "x-forwarded-proto", &["https"]),
    ("own", "Accept: */*", "x-forwarded-proto", &["http"]),
    ("7239 4", "Forwarded: for=6.6.6.6;proto=https", "forwarded", &["for=6.6.6.6;proto=https", "for=127.0.0.1"]),
    ("own", "X_Forwarded_For: 6.6.6.6", "x_forwarded_for", &[]),
];

#[rustfmt::skip]
const DOWN: &[Row] = &[
    // The balancer's own field, because this client requested it.
    ("9110 7.6.1", "Connection: keep-alive\r\nContent-Length: 2", "connection", &["close"]),
    ("9110 7.6.1", "Connection: x-secret\r\nX-Secret: 1\r\nContent-Length: 2", "x-secret", &[]),
    ("9110 7.6.1", "Connection: \u{e9},x-secret\r\nX-Secret: 1\r\nContent-Length: 2", "x-secret", &[]),
    ("own", "Connection: content-length\r\nContent-Length: 2", "content-length", &["2"]),
    ("9112 C.2.2", "Keep-Alive: timeout=5\r\nContent-Length: 2", "keep-alive", &[]),
    ("9112 C.2.2", "Proxy-Connection: close\r\nContent-Length: 2", "proxy-connection", &[]),
    ("9110 11.7.1", "Proxy-Authenticate: Basic\r\nContent-Length: 2", "proxy-authenticate", &[]),
    ("9110 11.7.3", "Proxy-Authentication-Info: a=1\r\nContent-Length: 2", "proxy-authentication-info", &[]),
    ("9209 2", "Proxy-Status: cache\r\nContent-Length: 2", "proxy-status", &["cache"]),
    ("9110 6.6.2", "Trailer: x-sum\r\nContent-Length: 2", "trailer", &[]),
    ("9110 7.8", "Upgrade: h2c\r\nContent-Length: 2", "upgrade", &[]),
    ("own", "Content-Length: 2", "via", &[]),
    ("9110 7.6.3", "Via: 1.1 inner\r\nContent-Length: 2", "via", &["1.1 inner"]),
    ("9110 6.6.1", "Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2", "date", &["Tue, 15 Nov 1994 08:12:31 GMT"]),
    ("9110 10.2.4", "Server: antique\r\nContent-Length: 2", "server", &["antique"]),
    ("9110 10.2.4", "Content-Length: 2", "server", &[]),
    ("9110 5.3", "Set-Cookie: a=1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2", "set-cookie", &["a=1", "b=2, c"]),
    ("9110 5.3", "WWW-Authenticate: A\r\nWWW-Authenticate: B\r\nContent-Length: 2", "www-authenticate", &["A", "B"]),
    ("9110 5.5", "X-Empty:\r\nContent-Length: 2", "x-empty", &[""]),
    ("9110 5.5", "X-Name: caf\u{c3}\u{a9} \u{ff}\r\nContent-Length: 2", "x-name", &["caf\u{c3}\u{a9} \u{ff}"]),
    ("9110 8.6", "Content-Length: 2", "content-length", &["2"]),
    ("9110 8.8.3", "ETag: \"7\"\r\nContent-Length: 2", "etag", &["\"7\""]),
    ("9110 10.2.2", "Location: http://shop.example/a%2Fb?c#d\r\nContent-Length: 2", "location", &["http://shop.example/a%2Fb?c#d"]),
    ("own", "X-Served-By: clone-7\r\nContent-Length: 2", "x-served-by", &["clone-7"]),
    ("own", "X-Request-Id: of the clone\r\nContent-Length: 2", "x-request-id", &["of the clone"]),
    ("9112 6.1", "Content-Length: 2", "transfer-encoding", &[]),
    // The body has a clear end here; the balancer discards what follows.
    ("9112 6.1", "Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0", "transfer-encoding", &["chunked"]),
    // A response that ends with its connection gets a clear end.
    ("9112 6.3", "X-Until: close", "transfer-encoding", &["chunked"]),
    ("9112 6.3", "X-Until: close", "content-length", &[]),
];

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

/// The section, the request line, the clone's response, and the status line, body and length that
/// the client gets.
type Shape = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
const SHAPES: &[Shape] = &[
    ("9110 9.3.2", "HEAD / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", "HTTP/1.1 200 OK", "", &["8"]),
    ("9110 15.3.5", "GET / HTTP/1.1", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content", "", &[]),
    ("9110 8.6", "GET / HTTP/1.1", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content", "", &[]),
    ("9110 15.4.5", "GET / HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n", "HTTP/1.1 304 Not Modified", "", &[]),
    // hyper drops this length, which is optional in a 304.
    ("9110 15.4.5", "GET / HTTP/1.1", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 304 Not Modified", "", &[]),
    ("9110 8.6", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK", "", &["0"]),
    // hyper's client drops 1xx responses, so early hints do not pass.
    ("9110 15.2", "GET / HTTP/1.1", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK", "ok", &["2"]),
    ("9112 2.3", "GET / HTTP/1.1", "HTTP/1.0 200 OK\r\n\r\nold", "HTTP/1.1 200 OK", "3\r\nold\r\n0\r\n\r\n", &[]),
    ("9112 6.1", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.1 200 OK", "2\r\nok\r\n0\r\n\r\n", &[]),
    ("9112 6.1", "GET / HTTP/1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "HTTP/1.0 200 OK", "ok", &[]),
    ("9112 7.1.2", "GET / HTTP/1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", "HTTP/1.1 200 OK", "2\r\nok\r\n0\r\n\r\n", &[]),
    // The reason phrase is free text.
    ("9112 4", "GET / HTTP/1.1", "HTTP/1.1 418 Short And Stout\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 418 I'm a teapot", "ok", &["2"]),
];

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

/// The section, the sent lines, and the request line, `Host` and `Via` that the clone gets.
type Start = (&'static str, &'static str, [&'static str; 3]);

#[rustfmt::skip]
const STARTS: &[Start] = &[
    ("9112 3.2.1", "GET /a?b HTTP/1.1\r\nHost: A.example", ["GET /a?b HTTP/1.1", "A.example", "1.1 workshop"]),
    ("9112 3.2.2", "GET http://a:80/b?c HTTP/1.1\r\nHost: a:80", ["GET /b?c HTTP/1.1", "a:80", "1.1 workshop"]),
    ("9112 3.2.2", "GET http://A HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a:80/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a/ HTTP/1.1\r\nHost: A:80", ["GET / HTTP/1.1", "A:80", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a:/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9110 4.2.3", "GET http://a/ HTTP/1.1\r\nHost: a:", ["GET / HTTP/1.1", "a:", "1.1 workshop"]),
    ("9110 4.2.3", "GET https://a:443/ HTTP/1.1\r\nHost: a", ["GET / HTTP/1.1", "a", "1.1 workshop"]),
    ("9112 3.2.4", "OPTIONS * HTTP/1.1\r\nHost: a", ["OPTIONS * HTTP/1.1", "a", "1.1 workshop"]),
    ("9112 2.3", "GET / HTTP/1.0\r\nHost: [::1]:80", ["GET / HTTP/1.1", "[::1]:80", "1.0 workshop"]),
    // HTTP/1.0 needs no `Host`, but the next hop speaks HTTP/1.1 and does.
    ("9112 3.2", "GET / HTTP/1.0", ["GET / HTTP/1.1", "localhost", "1.0 workshop"]),
    ("9112 3.2", "OPTIONS / HTTP/1.0", ["OPTIONS / HTTP/1.1", "localhost", "1.0 workshop"]),
    ("9112 3.2.2", "GET http://a:8080/b HTTP/1.0", ["GET /b HTTP/1.1", "a:8080", "1.0 workshop"]),
    ("9110 9.1", "BREW / HTTP/1.1\r\nHost: a", ["BREW / HTTP/1.1", "a", "1.1 workshop"]),
];

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

/// The section, the sent lines, and the status of the refusal.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("9112 3.2", "GET / HTTP/1.1", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a\r\nHost: a", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost:", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a, b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a@b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a/b", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a:http", "400"),
    ("9112 3.2", "GET / HTTP/1.1\r\nHost: a:99999", "400"),
    ("9112 3.2.2", "GET http://b/ HTTP/1.1\r\nHost: a", "400"),
    ("9112 3.2.2", "GET http://u@a/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.3", "GET http://a:81/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.3", "GET https://a:80/ HTTP/1.1\r\nHost: a", "400"),
    ("9110 4.2.4", "GET http://u@a/ HTTP/1.0", "400"),
    ("9112 3.2", "GET / HTTP/1.0\r\nHost: a\r\nHost: a", "400"),
    ("9112 3.2.3", "CONNECT a:443 HTTP/1.1\r\nHost: a:443", "400"),
    ("9112 3.2.3", "GET a:443 HTTP/1.1\r\nHost: a:443", "400"),
    ("9112 3.2.4", "GET * HTTP/1.1\r\nHost: a", "400"),
    ("9110 10.1.1", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe", "417"),
    ("9112 6.1", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", "501"),
    ("9112 6.1", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", "400"),
    ("9110 8.6", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00", "400"),
];

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
