//! Invalid input: a clear error for each request, no 500, and no change.

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::start;
use crate::support::invalid_requests::invalid_requests;
use crate::support::{DEADLINE, TestStore, send};

#[tokio::test]
async fn invalid_requests_get_clear_errors_and_change_nothing() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let before = (ada.game(7).await, ada.all_orders().await);

    for invalid in invalid_requests() {
        let method: Method = invalid.method.parse().unwrap();
        let mut request = ada
            .request(method, &invalid.path)
            .header("idempotency-key", "key");
        if !invalid.body.is_empty() || invalid.status == 400 {
            request = request
                .header("content-type", invalid.content_type)
                .body(invalid.body.clone());
        }
        let response = send(request).await;
        let about = format!("{} {} {:.60}", invalid.method, invalid.path, invalid.body);
        assert_eq!(
            response.status.as_u16(),
            invalid.status,
            "{about} → {}",
            response.body
        );
        let detail = response.problem(invalid.status);
        assert!(
            detail.contains(invalid.detail),
            "{about}: {detail:?} does not contain {:?}",
            invalid.detail
        );
        if invalid.status == 405 {
            assert!(
                !response.header("allow").is_empty(),
                "{about}: a 405 must name the allowed methods"
            );
        }
    }

    assert_eq!(
        (ada.game(7).await, ada.all_orders().await),
        before,
        "a rejected request changed data"
    );
}

#[tokio::test]
async fn order_without_valid_idempotency_key_is_rejected() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let body = json!({ "game_id": 7, "quantity": 1 });
    let detail = ada.post("/orders", body.clone()).await.problem(400);
    assert!(detail.contains("Idempotency-Key"), "{detail}");
    for key in ["", "two words", &"k".repeat(256), "schlüssel"] {
        let request = ada
            .request(Method::POST, "/orders")
            .header("idempotency-key", key.as_bytes());
        send(request.json(&body)).await.problem(400);
    }
    assert_eq!(
        ada.order(7, 1, &"k".repeat(255)).await.status,
        StatusCode::CREATED,
        "a key of 255 characters is valid"
    );
}

#[tokio::test]
async fn two_different_idempotency_keys_are_rejected() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let order =
        |field: Option<&str>| json!({ "game_id": 7, "quantity": 1, "idempotency_key": field });
    let place = |keys: &[&str], field| {
        let request = ada.request(Method::POST, "/orders").json(&order(field));
        send(keys.iter().fold(request, |request, key| {
            request.header("idempotency-key", *key)
        }))
    };
    let several = place(&["one", "two"], None).await.problem(400);
    assert!(several.contains("send one `Idempotency-Key`"), "{several}");
    place(&["one", "one"], None).await.problem(400);
    let differ = place(&["one"], Some("two")).await.problem(400);
    assert!(differ.contains("differ"), "{differ}");
    assert_eq!(ada.all_orders().await.len(), 0);

    let same = place(&["one"], Some("one")).await;
    assert_eq!(
        same.status,
        StatusCode::CREATED,
        "the same key in header and form is valid: {}",
        same.body
    );
}

#[tokio::test]
async fn writes_require_a_session() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let review = ada
        .post("/games/7/reviews", json!({ "stars": 5, "text": "Mine." }))
        .await;
    let before = ada.game(7).await;
    let client = store.anonymous_client();
    for (method, path, body) in [
        ("POST", "/orders", json!({ "game_id": 7, "quantity": 1 })),
        ("PATCH", "/games/7", json!({ "price_cents": 1 })),
        (
            "POST",
            "/games/7/reviews",
            json!({ "stars": 1, "text": "x" }),
        ),
        ("DELETE", review.location(), json!(null)),
        ("POST", "/work?job=order-export", json!(null)),
    ] {
        let request = client
            .request(method.parse().unwrap(), path)
            .header("idempotency-key", "key");
        let detail = send(request.json(&body)).await.problem(401);
        assert!(
            detail.contains("POST /login"),
            "a 401 must say how to log in: {detail}"
        );
    }
    assert_eq!(ada.game(7).await, before);
}

#[tokio::test]
async fn invalid_cookie_counts_as_no_session() {
    let store = start().await;
    let client = store.anonymous_client();
    let long = format!("session={}", "f".repeat(8_000));
    let unknown = format!("session={}", "0".repeat(64));
    let quoted = "session=\"' OR 1=1 --\"";
    for cookie in [
        "session=",
        "session",
        ";;;=;",
        "session=../../x",
        quoted,
        "session=%ff%00",
        &long,
        &unknown,
    ] {
        let me = send(client.request(Method::GET, "/me").header("cookie", cookie)).await;
        me.problem(401);
        let game = send(
            client
                .request(Method::GET, "/games/7")
                .header("cookie", cookie),
        )
        .await;
        assert_eq!(
            game.status,
            StatusCode::OK,
            "an invalid cookie prevents reading: {cookie:.40}"
        );
    }
    let bytes = send(
        client
            .request(Method::GET, "/me")
            .header("cookie", &b"session=\xff\xfe"[..]),
    )
    .await;
    bytes.problem(401);
}

#[tokio::test]
async fn large_body_is_rejected_before_it_is_read() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let request = ada
        .request(Method::POST, "/orders")
        .header("idempotency-key", "key");
    let answer = send(
        request
            .header("content-type", "application/json")
            .body(vec![b' '; 8 << 20]),
    )
    .await;
    answer.problem(413);

    // Without a Content-Length, the store counts the body while it reads it.
    let pieces =
        futures_util::stream::iter((0..10).map(|_| Ok::<_, std::io::Error>(vec![b' '; 8_192])));
    let request = ada
        .request(Method::POST, "/orders")
        .header("idempotency-key", "key");
    let answer = send(
        request
            .header("content-type", "application/json")
            .body(reqwest::Body::wrap_stream(pieces)),
    )
    .await;
    answer.problem(413);

    // The response must come before the body, which is never sent.
    let head = "POST /login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 104857600\r\n\r\n";
    let answer = raw(&store, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn path_traversal_finds_nothing() {
    let store = start().await;
    for path in [
        "/static/../../../../etc/passwd",
        "/static/games/../../store.db",
        "/static/games/..\\..\\store.db",
        "/static//etc/passwd",
        "/static/games/7.html/../../../store.db",
        "/../etc/passwd",
        "//etc/passwd",
    ] {
        // An HTTP client would normalise the path, so the test sends raw bytes.
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = raw(&store, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("root:") && !answer.contains("SQLite format"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn browser_gets_an_error_page() {
    let store = start().await;
    let page = store
        .anonymous_client()
        .get_html("/games/999999?<script>")
        .await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (StatusCode::NOT_FOUND, "text/html; charset=utf-8")
    );
    assert!(
        page.body.contains("there is no game 999999"),
        "{}",
        page.body
    );
    let page = store.anonymous_client().get_html("/%3Cscript%3E").await;
    assert!(!page.body.contains("<script>"), "{}", page.body);
}

#[tokio::test]
async fn browser_is_redirected_to_login_and_back() {
    let store = start().await;
    for (method, next) in [
        ("GET", "%2Forders%3Fbefore%3D5"),
        ("HEAD", "%2Forders%3Fbefore%3D5"),
        ("POST", "%2F"),
    ] {
        let path = if method == "POST" {
            "/work?job=order-export"
        } else {
            "/orders?before=5"
        };
        let request = store
            .anonymous_client()
            .request(method.parse().unwrap(), path);
        let answer = send(request.header("accept", "text/html")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.location()),
            (303, &*format!("/login?next={next}")),
            "{method}"
        );
    }
}

/// Sends these bytes. Returns the response up to the end of its head or of the connection.
async fn raw(store: &TestStore, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(store.url.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let reading = async {
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut answer).await.unwrap() == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(DEADLINE, reading)
        .await
        .expect("the store sends no response");
    String::from_utf8_lossy(&answer).into_owned()
}
