//! Invalid input gets a problem document that says what to send instead.

use axum::Router;
use axum::routing::{get, post};
use ch01_clones::web::extract::{Json, Path, Query};
use ch01_clones::web::problem;
use serde_json::{Value, json};

use crate::support::{assert_problem, client, clone, header, serve};

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
