//! Logins on one clone and on all clones, and invalid logins.

use std::net::SocketAddr;
use std::sync::Arc;

use ch01_clones::clone::session::{SESSION_TTL, UserName};
use ch01_clones::{MemorySessions, Session, SessionId, SessionStore};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    TestBalancer, TestServer, assert_problem, balance, client, clone_with, header, log_in, serve,
};

/// Three clones behind a balancer. `store` makes the session store of each clone.
pub async fn three_clones(
    store: impl Fn() -> Arc<dyn SessionStore>,
) -> (TestBalancer, Vec<TestServer>) {
    let mut clones = Vec::new();
    for name in ["clone-1", "clone-2", "clone-3"] {
        clones.push(serve(clone_with(name, store())).await);
    }
    let addrs: Vec<SocketAddr> = clones.iter().map(|clone| clone.addr).collect();
    (balance(&addrs).await, clones)
}

async fn me(front: &TestBalancer, cookie: &str) -> (StatusCode, Value) {
    let answer = client()
        .get(front.url("/me"))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Returns how many of six requests find the session.
async fn known_turns(front: &TestBalancer, cookie: &str) -> usize {
    let mut known = 0;
    for _ in 0..6 {
        known += usize::from(me(front, cookie).await.0 == StatusCode::OK);
    }
    known
}

#[tokio::test]
async fn only_a_shared_store_shares_logins() {
    let (naive, _clones) = three_clones(|| Arc::new(MemorySessions::new())).await;
    let cookie = log_in(&naive.url("/login"), "ada", None).await;
    assert_eq!(
        known_turns(&naive, &cookie).await,
        2,
        "one of three clones has the login in its memory"
    );

    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
    let (shared, _clones) = three_clones(|| Arc::clone(&store)).await;
    let cookie = log_in(&shared.url("/login"), "ada", None).await;
    assert_eq!(
        known_turns(&shared, &cookie).await,
        6,
        "does a clone keep its own sessions?"
    );
    assert_eq!(me(&shared, &cookie).await.1, json!({ "user": "ada" }));
}

#[tokio::test]
async fn stopped_clone_loses_no_shared_session() {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
    let (front, mut clones) = three_clones(|| Arc::clone(&store)).await;
    let cookie = log_in(&front.url("/login"), "ada", None).await;

    // The first clone took the login.
    clones.remove(0).stop().await;

    assert_eq!(known_turns(&front, &cookie).await, 6);
}

pub fn shared() -> impl Fn() -> Arc<dyn SessionStore> {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::new());
    move || Arc::clone(&store)
}

#[tokio::test]
async fn login_changes_the_session_id() {
    let (front, _clones) = three_clones(shared()).await;
    let old = log_in(&front.url("/login"), "ada", None).await;

    let new = log_in(&front.url("/login"), "bob", Some(&old)).await;

    assert_ne!(
        old, new,
        "an attacker who planted the old id would be logged in too"
    );
    assert_eq!(me(&front, &new).await.1, json!({ "user": "bob" }));
    assert_eq!(
        me(&front, &old).await.0,
        StatusCode::UNAUTHORIZED,
        "the old session must end"
    );
}

#[tokio::test]
async fn invented_id_never_becomes_a_session() {
    let (front, _clones) = three_clones(shared()).await;
    let planted = format!("session={}", "a".repeat(64));
    let cookie = log_in(&front.url("/login"), "ada", Some(&planted)).await;
    assert_ne!(cookie, planted);
    assert_eq!(me(&front, &planted).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn logout_ends_the_session_on_all_clones() {
    let (front, _clones) = three_clones(shared()).await;
    let cookie = log_in(&front.url("/login"), "ada", None).await;

    let answer = client()
        .post(front.url("/logout"))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 204);
    let cleared = header(&answer, "set-cookie");
    assert!(
        cleared.starts_with("session=;") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    assert_eq!(known_turns(&front, &cookie).await, 0);

    let form = client()
        .post(front.url("/logout"))
        .form(&[("unused", "")])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (form.status(), header(&form, "location")),
        (StatusCode::SEE_OTHER, "/")
    );
}

#[tokio::test]
async fn logout_everywhere_ends_every_session() {
    let (front, _clones) = three_clones(shared()).await;
    let phone = log_in(&front.url("/login"), "ada", None).await;
    let laptop = log_in(&front.url("/login"), "ada", None).await;
    let bob = log_in(&front.url("/login"), "bob", None).await;
    let everywhere = |cookie: &str| {
        client()
            .post(front.url("/logout-everywhere"))
            .header("cookie", cookie)
    };

    let answer = everywhere(&laptop).send().await.unwrap();

    assert_eq!(answer.status(), 204);
    let cleared = header(&answer, "set-cookie");
    assert!(
        cleared.starts_with("session=;") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    for cookie in [&phone, &laptop] {
        assert_eq!(
            known_turns(&front, cookie).await,
            0,
            "the session on the lost phone must end"
        );
    }
    assert_eq!(known_turns(&front, &bob).await, 6, "bob has lost nothing");

    let again = everywhere(&laptop).send().await.unwrap();
    assert_problem(again, 401, "`POST /login`").await;
    let laptop = log_in(&front.url("/login"), "ada", None).await;
    assert_eq!(
        known_turns(&front, &laptop).await,
        6,
        "a login afterwards must start a new session"
    );
    assert_eq!(known_turns(&front, &phone).await, 0);

    let form = everywhere(&laptop)
        .form(&[("unused", "")])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (form.status(), header(&form, "location")),
        (StatusCode::SEE_OTHER, "/")
    );
}

#[tokio::test]
async fn request_without_login_logs_out_no_user() {
    let (front, _clones) = three_clones(shared()).await;
    let ada = log_in(&front.url("/login"), "ada", None).await;
    let response = client()
        .post(front.url("/logout-everywhere"))
        .send()
        .await
        .unwrap();
    assert_problem(response, 401, "`POST /login`").await;
    assert_eq!(known_turns(&front, &ada).await, 6);
}

#[tokio::test]
async fn a_session_ends_after_seven_days() {
    let store = MemorySessions::new();
    let mut session = Session::new(&UserName::parse("ada").unwrap());
    session.created_at -= SESSION_TTL;
    session.created_at += std::time::Duration::from_mins(1);
    let young = store.create(&session).await.unwrap();
    session.created_at -= std::time::Duration::from_mins(1);
    let old = store.create(&session).await.unwrap();

    assert!(store.load(&young).await.unwrap().is_some());
    assert_eq!(store.load(&old).await.unwrap(), None);
}

#[test]
fn only_64_hex_digits_are_a_session_id() {
    let good = SessionId::random()
        .as_str()
        .replace(|digit: char| digit.is_ascii_digit(), "a");
    assert!(SessionId::parse(&good).is_some());
    for bad in [
        good.to_uppercase(),
        format!("{good}a"),
        good[1..].to_owned(),
        good.replacen('a', "g", 1),
        String::new(),
    ] {
        assert_eq!(
            SessionId::parse(&bad),
            None,
            "{bad:?} would reach the store's query or key"
        );
    }
}

#[test]
fn session_id_is_hidden_in_logs() {
    let id = SessionId::random();
    let shown = format!("{id:?}");
    assert!(!shown.contains(&id.as_str()[..8]), "{shown}");
    assert_ne!(SessionId::random(), id);
}
