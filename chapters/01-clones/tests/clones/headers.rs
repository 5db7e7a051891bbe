//! What passes the balancer, byte by byte, in both directions.

use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::support::{Front, balance, balance_over, client, clone, header, raw, read_head, scripted, soon};

/// A balancer before a clone that records each head and answers with `response`.
async fn recorder(response: &'static str) -> (Front, mpsc::UnboundedReceiver<String>) {
    recorder_behind(&[], response).await
}

/// The same with proxies that are trusted.
async fn recorder_behind(
    proxies: &[std::net::IpAddr],
    response: &'static str,
) -> (Front, mpsc::UnboundedReceiver<String>) {
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
    let front = balance_over(|balancer| balancer.with_trusted(proxies.to_vec()), &[clone]).await;
    (front, heads)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// All values of a field in a raw head, in their order.
fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

#[tokio::test]
async fn a_clone_sees_what_was_meant_for_it_and_nothing_that_was_meant_for_the_balancer() {
    let (front, mut heads) = recorder(OK).await;

    let sent = "GET / HTTP/1.1\r\nHost: shop.example:8080\r\nAccept: text/html\r\nCookie: a=1\r\nCookie: b=2\r\n\
        Connection: close, x-secret, host, X-Forwarded-For\r\nConnection: x-other\r\nX-Secret: 1\r\nX-Other: 1\r\n\
        Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eA==\r\nTE: trailers\r\n\
        Trailer: x-sum\r\nUpgrade: websocket\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Real-IP: 6.6.6.6\r\nVia: 1.0 cache\r\nExpect: 100-continue\r\n\
        X-Request-Id: my-request.1\r\n\r\n";
    assert!(raw(front.addr, sent).await.contains("200 OK"));
    let head = soon("the clone to get the request", heads.recv()).await.unwrap();

    let table: [(&str, &[&str]); 23] = [
        ("host", &["shop.example:8080"]),
        ("accept", &["text/html"]),
        ("cookie", &["a=1", "b=2"]),
        ("x-request-id", &["my-request.1"]),
        ("x-forwarded-for", &["127.0.0.1"]),
        ("x-forwarded-proto", &["http"]),
        ("via", &["1.0 cache", "1.1 workshop"]),
        ("connection", &[]),
        ("x-secret", &[]),
        ("x-other", &[]),
        ("keep-alive", &[]),
        ("proxy-connection", &[]),
        ("proxy-authorization", &[]),
        ("te", &[]),
        ("trailer", &[]),
        ("upgrade", &[]),
        ("forwarded", &[]),
        ("x-forwarded-host", &[]),
        ("x-real-ip", &[]),
        ("expect", &[]),
        ("content-length", &[]),
        ("transfer-encoding", &[]),
        ("date", &[]),
    ];
    for (name, expected) in table {
        assert_eq!(
            values(&head, name),
            expected,
            "`{name}` as the clone sees it, in\n{head}"
        );
    }
}

#[tokio::test]
async fn a_client_cannot_forge_its_address() {
    let (front, mut heads) = recorder(OK).await;
    let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n\
        X-Forwarded-Proto: https\r\nX-Request-Id: a\r\nX-Request-Id: b\r\nConnection: close\r\n\r\n";
    raw(front.addr, sent).await;
    let head = soon("the clone to get the request", heads.recv()).await.unwrap();
    assert_eq!(values(&head, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(values(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(values(&head, "x-request-id").len(), 1, "two ids are as good as none");
}

#[tokio::test]
async fn a_proxy_is_believed_if_it_is_on_the_list_and_its_word_is_continued() {
    let sent = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 8.8.8.8\r\n\
        Forwarded: for=6.6.6.6;proto=https\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
    let table: [(&str, [&[&str]; 3]); 2] = [
        (
            "127.0.0.1",
            [
                &["6.6.6.6, 7.7.7.7, 8.8.8.8, 127.0.0.1"],
                &["for=6.6.6.6;proto=https", "for=127.0.0.1"],
                &["https"],
            ],
        ),
        ("10.0.0.1", [&["127.0.0.1"], &[], &["http"]]),
    ];
    for (proxy, expected) in table {
        let (front, mut heads) = recorder_behind(&[proxy.parse().unwrap()], OK).await;
        raw(front.addr, sent).await;
        let head = soon("the clone to get the request", heads.recv()).await.unwrap();
        let got = ["x-forwarded-for", "forwarded", "x-forwarded-proto"].map(|name| values(&head, name));
        assert_eq!(got, expected, "the proxy 127.0.0.1 speaks, and {proxy} is trusted");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_and_a_head_request_pass() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    let old = raw(front.addr, "GET /whoami HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(
        old.starts_with("HTTP/1.0 200") && old.ends_with("\r\n\r\nclone-1\n"),
        "{old}"
    );
    let head = raw(
        front.addr,
        "HEAD /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(values(&head, "content-length"), ["8"], "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_client_sees_what_the_clone_said_and_nothing_of_its_connection() {
    let (front, _heads) = recorder(
        "HTTP/1.1 418 Short And Stout\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: \"7\"\r\n\
         Connection: close, x-secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nTrailer: x-sum\r\n\
         Upgrade: h2c\r\nServer: antique\r\nx-served-by: clone-7\r\n\r\nok",
    )
    .await;

    let head = raw(front.addr, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;

    assert!(head.starts_with("HTTP/1.1 418"), "{head}");
    let table: [(&str, &[&str]); 12] = [
        ("content-length", &["2"]),
        ("set-cookie", &["a=1", "b=2"]),
        ("etag", &["\"7\""]),
        ("server", &["antique"]),
        ("x-served-by", &["clone-7"]),
        // Ours, because this client asked for it; not the clone's.
        ("connection", &["close"]),
        ("x-secret", &[]),
        ("keep-alive", &[]),
        ("proxy-authenticate", &[]),
        ("trailer", &[]),
        ("upgrade", &[]),
        ("via", &[]),
    ];
    for (name, expected) in table {
        assert_eq!(
            values(&head, name),
            expected,
            "`{name}` as the client sees it, in\n{head}"
        );
    }
    assert_eq!(
        values(&head, "x-request-id").len(),
        1,
        "the clone named no request id, so the balancer does"
    );
    assert!(head.ends_with("\r\n\r\nok"), "{head}");
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
        raw(
            front.addr,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        )
        .await;
        let head = soon("the clone to get the request", heads.recv()).await.unwrap();
        assert_eq!(head.lines().next(), Some(format!("GET {target} HTTP/1.1").as_str()));
    }
}

#[tokio::test]
async fn a_request_that_could_mean_two_servers_is_refused() {
    let (front, mut heads) = recorder(OK).await;
    let table = [
        ("no host", "GET / HTTP/1.1\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n"),
        ("the same host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n"),
        ("an empty host", "GET / HTTP/1.1\r\nHost:\r\n"),
        ("a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n"),
        ("a host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n"),
        (
            "another host in the request line",
            "GET http://b/ HTTP/1.1\r\nHost: a\r\n",
        ),
        ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n"),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        ),
    ];
    for (what, start) in table {
        let answer = raw(front.addr, format!("{start}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{what} gave\n{answer}");
    }
    assert!(heads.try_recv().is_err(), "a clone has seen one of them");

    let problem = raw(front.addr, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(values(&problem, "content-type"), ["application/problem+json"]);
    assert_eq!(values(&problem, "x-request-id").len(), 1);

    let same = "GET http://a:80/whoami HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n";
    assert!(
        raw(front.addr, same).await.starts_with("HTTP/1.1 200"),
        "the same host twice means one server"
    );
    let head = soon("the clone to get the request", heads.recv()).await.unwrap();
    assert!(head.starts_with("GET /whoami HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn a_request_keeps_its_id_and_gets_one_if_it_has_none_fit_for_a_log() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    for url in [front.url("/whoami"), format!("http://{}/nowhere", clone.addr)] {
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
            let answer = client().get(&url).header("x-request-id", bad).send().await.unwrap();
            let id = header(&answer, "x-request-id");
            assert_eq!(
                uuid::Uuid::parse_str(id).map(|id| id.get_version_num()),
                Ok(7),
                "{bad:?} became {id:?}"
            );
        }
    }
}
