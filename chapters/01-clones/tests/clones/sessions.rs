//! Logins on one clone and on all clones, and invalid logins.

use std::net::SocketAddr;
use std::sync::Arc;

use ch01_clones::clone::session::{SESSION_TTL, UserName};
use ch01_clones::{MemorySessions, Session, SessionId, SessionStore};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{
    TestBalancer, TestServer, assert_problem, balance, client, clone_with, header, log_in,
    send_raw, serve,
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

fn shared() -> impl Fn() -> Arc<dyn SessionStore> {
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
async fn cookie_is_http_only_and_same_site() {
    let (front, _clones) = three_clones(shared()).await;
    let answer = client()
        .post(front.url("/login"))
        .json(&json!({ "user": "ada" }))
        .send()
        .await
        .unwrap();
    let cookie = header(&answer, "set-cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"] {
        assert!(
            cookie.split("; ").any(|part| part == attribute),
            "{attribute} is missing in {cookie}"
        );
    }
}

#[tokio::test]
async fn invalid_cookie_is_ignored() {
    let (front, clones) = three_clones(shared()).await;
    let good = log_in(&front.url("/login"), "ada", None).await;
    let long = "f".repeat(4_000);
    let garbage: Vec<Vec<u8>> = [
        "session=",
        "session",
        "session=abc",
        "=",
        ";;;",
        "session=%",
        "session=%00%ff",
        "session=\"",
        "session='; DROP TABLE",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"session=\xff\xfe".to_vec(),
        format!("session={long}").into_bytes(),
    ])
    .chain([
        good.to_uppercase().into_bytes(),
        format!("{good}0").into_bytes(),
        good.replace("session", "x").into_bytes(),
    ])
    .collect();

    for cookie in garbage {
        for addr in [front.addr, clones[0].addr] {
            for line in ["GET /me", "POST /logout", "GET /"] {
                let head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: ");
                let answer = send_raw(addr, [head.as_bytes(), &cookie, b"\r\n\r\n"].concat()).await;
                let expected = match line {
                    "GET /me" => "HTTP/1.1 401",
                    "POST /logout" => "HTTP/1.1 204",
                    _ => "HTTP/1.1 200",
                };
                let shown = String::from_utf8_lossy(&cookie);
                assert!(
                    answer.starts_with(expected),
                    "{line} with {shown} gave\n{answer}"
                );
            }
        }
    }

    // A valid cookie counts among invalid ones, in any position.
    let good = good.as_bytes();
    for cookie in [
        [b"a=1; session=garbage; ", good],
        [b"theme=caf\xe9; ", good],
        [good, b"; theme=caf\xe9"],
        [good, b"; session=\xff"],
    ] {
        for addr in [front.addr, clones[0].addr] {
            let head = b"GET /me HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: ";
            let cookie = cookie.concat();
            let answer = send_raw(addr, [&head[..], &cookie, b"\r\n\r\n"].concat()).await;
            assert!(
                answer.starts_with("HTTP/1.1 200"),
                "{} gave\n{answer}",
                cookie.escape_ascii()
            );
        }
    }
}

#[tokio::test]
async fn form_login_redirects_to_this_origin_only() {
    let (front, _clones) = three_clones(shared()).await;
    let table = [
        (Some("/games/7?page=2#reviews"), "/games/7?page=2#reviews"),
        (Some("/"), "/"),
        (None, "/"),
        (Some(""), "/"),
        (Some("games"), "/"),
        (Some("https://evil.example/"), "/"),
        (Some("//evil.example/"), "/"),
        (Some("/\\evil.example/"), "/"),
        (Some("\\\\evil.example/"), "/"),
        (Some("/\t/evil.example/"), "/"),
        (Some("/\n/evil.example/"), "/"),
        (Some("/x\r\nSet-Cookie: a=1"), "/"),
        (Some("javascript:alert(1)"), "/"),
        (Some("/caf\u{e9}"), "/"),
    ];
    for (next, expected) in table {
        let mut fields = vec![("user", "ada")];
        fields.extend(next.map(|next| ("next", next)));
        let answer = client()
            .post(front.url("/login"))
            .form(&fields)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 303, "{next:?}");
        assert_eq!(header(&answer, "location"), expected, "{next:?}");
        assert!(header(&answer, "set-cookie").starts_with("session="));
    }
}

#[tokio::test]
async fn invalid_user_name_is_refused_with_the_rule() {
    let (front, _clones) = three_clones(shared()).await;
    let long = "a".repeat(33);
    for name in [
        "",
        "Ada",
        "a b",
        "-a",
        "_a",
        "é",
        "a\n",
        "../x",
        long.as_str(),
    ] {
        let answer = client()
            .post(front.url("/login"))
            .json(&json!({ "user": name }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 422, "{name:?}");
        let problem: Value = answer.json().await.unwrap();
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("such as `ada`"),
            "{problem}"
        );
    }
    for name in ["a", "7", "ada-l_1", &"a".repeat(32)] {
        assert!(UserName::parse(name).is_ok(), "{name:?}");
    }
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
