//! The header `x-consistency`: one token, never an older answer, and never a hanging request.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::start;
use crate::support::send;

const HEADER: &str = "x-consistency";

/// Routes that read the catalogue.
const PATHS: [&str; 9] = [
    "/",
    "/games",
    "/games/7",
    "/news",
    "/users/ada/friends",
    "/users/ada/activity",
    "/orders",
    "/orders/1",
    "/static/games/7.html",
];

#[tokio::test]
async fn invalid_token_is_a_400_that_helps() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let before = ada.game(7).await;
    let long = vec![b'0'; 100_000];
    for value in [
        &b""[..],
        b"1",
        b"\xff\xfe\xfd",
        "0000000100000000ä0".as_bytes(),
        b"00000001000000000301A2B8",
        b"00000001000000000301a2b8, 00000001000000000301a2b8",
        &[b'0'; 8_000],
    ] {
        for path in PATHS {
            let request = ada.request(Method::GET, path).header(HEADER, value);
            let detail = send(request).await.problem(400);
            assert!(detail.contains("send the header of the last"), "{detail}");
        }
        let write = ada.request(Method::PATCH, "/games/7").header(HEADER, value);
        let write = write.json(&json!({ "price_cents": 1 }));
        send(write).await.problem(400);
    }
    for path in PATHS {
        let token = "00000001000000000301a2b8";
        let twice = ada.request(Method::GET, path).header(HEADER, token);
        send(twice.header(HEADER, token)).await.problem(400);
        let request = ada.request(Method::GET, path).header(HEADER, &long[..]);
        let status = send(request).await.status.as_u16();
        assert!(
            status == 400 || status == 431,
            "a header of 100 kB gives {status}"
        );
    }
    assert_eq!(ada.game(7).await, before, "a rejected write changed data");
}

#[tokio::test]
async fn token_from_the_future_does_not_hang() {
    let store = start().await;
    let client = store.anonymous_client();
    let future = "ffffffffffffffffffffffff";
    for path in PATHS.into_iter().filter(|path| *path != "/orders") {
        let answer = send(client.request(Method::GET, path).header(HEADER, future)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert_eq!(
            answer.header(HEADER),
            future,
            "{path}: the response's token must not be less than the request's"
        );
    }
    let plain = client.get("/games/7").await;
    assert_eq!(
        plain.header(HEADER),
        "",
        "a client without a token got the token of another client"
    );
}

#[tokio::test]
async fn token_is_passed_on_from_write_to_read() {
    let store = start().await;
    let (ada, anyone) = (store.customer("ada").await, store.anonymous_client());
    let mut last = String::new();
    for price in 2_000..2_010 {
        let change = ada.request(Method::PATCH, "/games/7");
        let written = send(change.json(&json!({ "price_cents": price }))).await;
        let token = written.header(HEADER).to_owned();
        assert_eq!(
            token.is_empty(),
            store.reads_from == "primary",
            "a store with replicas returns the token of a write: {token:?}"
        );
        assert!(last <= token, "the token went back from {last} to {token}");
        last = token;
        if last.is_empty() {
            continue;
        }
        for path in ["/games/7", "/games?after=6"] {
            let request = anyone.request(Method::GET, path).header(HEADER, &last);
            let answer = send(request).await;
            assert!(answer.header(HEADER) >= last.as_str());
            for shown in [answer.json(), ada.get(path).await.json()] {
                let game = shown["items"].get(0).unwrap_or(&shown);
                assert_eq!(game["price_cents"], price, "{path}");
            }
        }
    }
}
