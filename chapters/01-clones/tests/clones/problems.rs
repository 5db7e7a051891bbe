//! Invalid input gets a problem document that says what to send instead.

use axum::Router;
use axum::routing::{get, post};
use ch01_clones::web::extract::{Json, Path, Query};
use ch01_clones::web::problem;
use serde_json::{Value, json};

use crate::support::{assert_problem, balance, client, clone, header, send_raw, serve};

#[tokio::test]
async fn unknown_path_is_404_and_wrong_method_405() {
    let clone = clone("clone-1").await;

    let answer = client().get(clone.url("/nowhere")).send().await.unwrap();
    assert_eq!(
        header(&answer, "x-served-by"),
        "clone-1",
        "an error response must name the clone too"
    );
    assert_problem(answer, 404, "/nowhere").await;

    let answer = client().delete(clone.url("/login")).send().await.unwrap();
    assert_eq!(header(&answer, "allow"), "POST");
    assert_problem(answer, 405, "DELETE").await;

    let answer = client().post(clone.url("/me")).send().await.unwrap();
    assert_eq!(header(&answer, "allow"), "GET,HEAD");
    assert_problem(answer, 405, "Allow").await;
}

/// RFC 9110, section 9.3.7. HAProxy's `option httpchk` sends `OPTIONS /`.
#[tokio::test]
async fn options_names_the_methods() {
    let clone = clone("clone-1").await;
    let balancer = balance(&[clone.addr]).await;
    for addr in [clone.addr, balancer.addr] {
        for (target, allow) in [
            ("/", "allow: GET,HEAD\r\n"),
            ("/login", "allow: POST\r\n"),
            ("*", ""),
        ] {
            let request =
                format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let answer = send_raw(addr, request).await;
            assert!(answer.starts_with("HTTP/1.1 204 "), "{target}: {answer}");
            assert!(answer.contains(allow), "{target}: {answer}");
        }
        let request = "OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = send_raw(addr, request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}

#[tokio::test]
async fn unreadable_request_gets_a_problem_document() {
    let clone = clone("clone-1").await;
    let balancer = balance(&[clone.addr]).await;
    let path = "a".repeat(66_000);
    let good = "GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n";
    let table = [
        ("nonsense\r\n\r\n".to_owned(), 400, "`GET /whoami HTTP/1.1`"),
        (
            "GET / HTTP/9.9\r\n\r\n".to_owned(),
            400,
            "`GET /whoami HTTP/1.1`",
        ),
        (
            "GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
            400,
            "`Name: value`",
        ),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "x: 1\r\n".repeat(200)),
            431,
            "header fields",
        ),
        (
            format!("GET / HTTP/1.1\r\nx: {path}\r\n\r\n"),
            431,
            "cookies",
        ),
    ];
    for addr in [clone.addr, balancer.addr] {
        for (request, status, hint) in &table {
            for before in ["", good] {
                let answers = send_raw(addr, format!("{before}{request}")).await;
                assert_eq!(answers.contains("200 OK"), !before.is_empty(), "{answers}");
                let start = format!("HTTP/1.1 {status} ");
                let answer = answers
                    .split_once(&start)
                    .unwrap_or_else(|| panic!("{answers}"));
                let (head, body) = answer.1.split_once("\r\n\r\n").unwrap();
                assert!(
                    head.contains("content-type: application/problem+json"),
                    "{head}"
                );
                assert!(
                    head.contains(&format!("content-length: {}", body.len())),
                    "{head}"
                );
                assert!(head.contains("connection: close"), "{head}");
                let problem: Value = serde_json::from_str(body).expect(body);
                assert_eq!(problem["status"], *status);
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(hint), "{detail}");
            }
        }
    }
}

#[tokio::test]
async fn missing_login_is_a_401_with_advice() {
    let clone = clone("clone-1").await;
    let answer = client().get(clone.url("/me")).send().await.unwrap();
    assert_problem(answer, 401, r#"`POST /login` with {"user":"ada"}"#).await;
}

#[tokio::test]
async fn unreadable_body_gets_the_fitting_status() {
    let clone = clone("clone-1").await;
    let too_much = format!(r#"{{"user":"{}"}}"#, "a".repeat(3 * 1024 * 1024));
    let table = [
        ("application/json", r#"{"user":"#, 400, "not JSON"),
        ("application/json", r#"{"user":7}"#, 422, "user"),
        ("application/json", "{}", 422, "user"),
        ("text/plain", "ada", 415, "Content-Type: application/json"),
        ("application/json", too_much.as_str(), 413, "larger"),
        ("application/x-www-form-urlencoded", "name=ada", 422, "user"),
        (
            "application/x-www-form-urlencoded; charset=utf-8",
            "user=Ada",
            422,
            "such as `ada`",
        ),
    ];
    for (content_type, body, status, hint) in table {
        let request = client()
            .post(clone.url("/login"))
            .header("content-type", content_type);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        assert_problem(answer, status, hint).await;
    }
}

#[tokio::test]
async fn invalid_path_or_query_is_a_400() {
    let router = Router::new()
        .route(
            "/games/{id}",
            get(|Path(id): Path<i64>| async move { id.to_string() }),
        )
        .route(
            "/pages",
            get(|Query([(_, page)]): Query<[(String, u32); 1]>| async move { page.to_string() }),
        )
        .route(
            "/echo",
            post(|Json(value): Json<Value>| async move { Json(value) }),
        );
    let server = serve(problem::fallbacks(router)).await;

    assert_problem(
        client()
            .get(server.url("/games/seven"))
            .send()
            .await
            .unwrap(),
        400,
        "path",
    )
    .await;
    assert_problem(
        client().get(server.url("/games/%ff")).send().await.unwrap(),
        400,
        "path",
    )
    .await;
    assert_problem(
        client()
            .get(server.url("/pages?page=-1"))
            .send()
            .await
            .unwrap(),
        400,
        "`?`",
    )
    .await;
    assert_eq!(
        client()
            .get(server.url("/games/7"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "7"
    );
    let echo = client()
        .post(server.url("/echo"))
        .json(&json!([1]))
        .send()
        .await
        .unwrap();
    assert_eq!(echo.json::<Value>().await.unwrap(), json!([1]));
}

#[test]
fn the_routes_describe_themselves() {
    let login =
        ch01_clones::clone::login::routes::<std::sync::Arc<dyn ch01_clones::SessionStore>>()
            .into_openapi();
    let paths: Vec<&str> = login.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/login", "/logout", "/logout-everywhere", "/me"]);
    let identity =
        ch01_clones::web::identity::routes::<ch01_clones::web::identity::Identity>().into_openapi();
    assert_eq!(identity.paths.paths.len(), 2);
}
