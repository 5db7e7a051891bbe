//! Sessions: they belong to the store and not to a clone.

use std::collections::BTreeSet;

use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::start;
use crate::support::send;

#[tokio::test]
async fn session_works_on_every_clone() {
    let store = start().await;
    let ada = store.customer("ada").await;

    let mut clones = BTreeSet::new();
    for _ in 0..9 {
        let me = ada.get("/me").await;
        assert_eq!(
            (me.status, me.json()),
            (StatusCode::OK, json!({ "user": "ada" }))
        );
        clones.insert(me.header("x-served-by").to_owned());
    }

    let all = ["clone-1", "clone-2", "clone-3"].map(ToOwned::to_owned);
    assert_eq!(
        clones,
        BTreeSet::from(all),
        "the balancer did not use all clones"
    );
}

/// A field value is bytes (RFC 9110, section 5.5). Browsers send cookies that other sites of the
/// same domain have set.
#[tokio::test]
async fn foreign_member_hides_no_other_member() {
    let store = start().await;
    let login = store
        .anonymous_client()
        .post("/login", json!({ "user": "ada" }))
        .await;
    let session = login.header("set-cookie").split(';').next().unwrap();
    let client = store.anonymous_client();
    let get = async |path: &str, name: &str, members: [&[u8]; 2], separator: &[u8]| {
        let value = HeaderValue::from_bytes(&members.join(separator)).unwrap();
        send(client.request(Method::GET, path).header(name, value)).await
    };
    let page = client.get_html("/games/7").await;
    let foreign = b"theme=caf\xe9".as_slice();

    for both in [[session.as_bytes(), foreign], [foreign, session.as_bytes()]] {
        let me = get("/me", "cookie", both, b"; ").await;
        assert_eq!(me.status, StatusCode::OK, "{}", me.body);
    }
    for both in [
        [b"text/html".as_slice(), b"x/\xe9"],
        [b"x/\xe9", b"text/html"],
    ] {
        let game = get("/games/7", "accept", both, b", ").await;
        assert_eq!(game.header("content-type"), page.header("content-type"));
    }
    let fresh = get("/games/7", "cache-control", [b"\xe9", b"no-cache"], b", ").await;
    assert_eq!(fresh.header("x-cache"), "bypass");
}

#[tokio::test]
async fn logout_works_on_every_clone() {
    let store = start().await;
    let ada = store.customer("ada").await;

    assert_eq!(
        ada.post("/logout", json!({})).await.status,
        StatusCode::NO_CONTENT
    );

    for _ in 0..3 {
        ada.get("/me").await.problem(401);
    }
}

#[tokio::test]
async fn logout_everywhere_ends_all_sessions_of_user() {
    let store = start().await;
    let (phone, laptop, bob) = (
        store.customer("ada").await,
        store.customer("ada").await,
        store.customer("bob").await,
    );

    let answer = laptop.post("/logout-everywhere", json!({})).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for _ in 0..3 {
        phone.get("/me").await.problem(401);
        laptop.get("/me").await.problem(401);
        assert_eq!(bob.get("/me").await.status, StatusCode::OK);
    }
    laptop
        .post("/logout-everywhere", json!({}))
        .await
        .problem(401);
    laptop.login("ada").await;
    assert_eq!(laptop.get("/me").await.status, StatusCode::OK);
    phone.get("/me").await.problem(401);
}

#[tokio::test]
async fn browser_returns_to_its_page_after_login() {
    let store = start().await;
    let browser = store.anonymous_client();
    let redirect = browser.get_html("/orders").await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.location()),
        (303, "/login?next=%2Forders")
    );
    let form = browser.get_html(redirect.location()).await;
    assert!(
        form.body.contains(r#"name="next" value="/orders""#),
        "{}",
        form.body
    );

    let back = browser
        .submit_form("/login", &[("user", "ada"), ("next", "/orders")])
        .await;

    assert_eq!((back.status.as_u16(), back.location()), (303, "/orders"));
    assert_eq!(browser.get_html("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn account_link_redirects_by_session() {
    let store = start().await;
    assert_eq!(
        store.anonymous_client().get("/account").await.location(),
        "/login?next=/orders"
    );
    assert_eq!(
        store.customer("ada").await.get("/account").await.location(),
        "/orders"
    );
}
