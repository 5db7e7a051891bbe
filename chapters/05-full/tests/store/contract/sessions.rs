//! Sessions: they belong to the store and not to a clone.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::json;

use super::start;

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
