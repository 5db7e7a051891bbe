//! What a login sets, and what a client may send: cookies, forms and names.

use ch01_clones::clone::session::UserName;
use serde_json::{Value, json};

use crate::sessions::{shared, three_clones};
use crate::support::{client, header, log_in, send_raw};

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
