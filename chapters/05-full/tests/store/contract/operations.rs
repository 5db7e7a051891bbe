//! The endpoints for operators.

use std::collections::BTreeSet;

use super::{snapshot, start};
use crate::support::{DEADLINE, send};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn every_response_names_its_clone_and_request() {
    let store = start().await;
    let client = store.anonymous_client();
    for path in ["/", "/games/7", "/no-such-path", "/me"] {
        let response = send(
            client
                .request(Method::GET, path)
                .header("x-request-id", "a-request.42"),
        )
        .await;
        assert!(
            response.header("x-served-by").starts_with("clone-"),
            "{path}"
        );
        assert_eq!(response.header("x-request-id"), "a-request.42", "{path}");
        assert_eq!(
            response.header("x-content-type-options"),
            "nosniff",
            "{path}"
        );
        assert!(
            response
                .header("content-security-policy")
                .contains("default-src 'self'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn store_is_alive_and_ready() {
    let store = start().await;
    let client = store.anonymous_client();
    for (path, body) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.body.trim()), (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn metrics_count_requests_lookups_orders_and_upstreams() {
    let store = start().await;
    let client = store.anonymous_client();
    for id in [7, 7, 7, 8, 999_999] {
        client.get(&format!("/games/{id}")).await;
    }
    let metrics = client.get("/metrics").await.body;
    let sum = |name: &str, label: &str| -> u64 {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(
        sum("http_requests_total", r#"route="/games/{id}",status="200""#),
        4
    );
    assert_eq!(
        sum("http_requests_total", r#"route="/games/{id}",status="404""#),
        1
    );
    assert_eq!(sum("cache_lookups_total", "hit"), 2);
    assert_eq!(sum("cache_lookups_total", "miss"), 3);
    assert_eq!(sum("orders{", "shard="), 1_000);
    // Not the values: on a busy machine a probe may be late, and its clone is down for a moment.
    let clones = metrics
        .lines()
        .filter(|line| line.starts_with("upstream_up{"));
    assert_eq!(clones.count(), 3);
    assert_eq!(
        sum("upstream_requests_total", "upstream="),
        5,
        "the request for the metrics is not counted yet"
    );
}

/// Requests every documented operation with and without a session, as a program and as a browser.
#[tokio::test]
async fn openapi_document_matches_the_interface() {
    let store = start().await;
    let (ada, client) = (store.customer("ada").await, store.anonymous_client());
    let document = ada.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut listed = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = format!("{} {path}", method.to_uppercase());
        assert!(operation["summary"].is_string(), "{name} has no summary");
        let real_path = path
            .replace("{page}", "7.html")
            .replace("{name}", "cover.svg")
            .replace("/jobs/{id}", "/jobs/00000000-0000-7000-8000-000000000000")
            .replace("{id}", "7")
            .replace("{review}", "1");
        for (client, accept) in [
            (&ada, "*/*"),
            (&ada, "text/html"),
            (&client, "*/*"),
            (&client, "text/html"),
        ] {
            let request = client.request(method.to_uppercase().parse().unwrap(), &real_path);
            let answer = send(request.header("accept", accept)).await;
            let documented = &operation["responses"][answer.status.as_str()];
            let about = format!("{name} with Accept: {accept} answered {}", answer.status);
            assert!(
                documented.is_object(),
                "{about}, which the document does not mention"
            );
            let kind = answer
                .header("content-type")
                .split(';')
                .next()
                .unwrap_or_default();
            // An empty response, such as a redirect, has no content type.
            assert!(
                answer.body.is_empty() || documented["content"][kind].is_object(),
                "{about} as {kind:?}, which the document does not mention: {documented}"
            );
            // Logging out ends the session that the other operations need.
            if path.starts_with("/logout") {
                ada.login("ada").await;
            }
        }
        listed.insert(name);
    }
    snapshot::json("openapi_document_matches_the_interface", &json!(listed));
}

/// `Allow` comes from the routes, so this test compares the document with the routes.
#[tokio::test]
async fn allow_header_names_the_documented_methods() {
    let store = start().await;
    let client = store.anonymous_client();
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    for path in ["/login", "/account", "/openapi.json", "/static/style.css"] {
        assert!(paths.contains_key(path), "{path} is not in the document");
    }
    for (path, item) in paths {
        let real_path = path.replace(['{', '}'], "");
        let methods = item.as_object().unwrap().keys();
        let mut documented: BTreeSet<_> = methods.map(|name| name.to_uppercase()).collect();
        // axum answers HEAD wherever it answers GET.
        if documented.contains("GET") {
            documented.insert("HEAD".to_owned());
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"] {
            if documented.contains(method) {
                continue;
            }
            let request = client.request(method.parse().unwrap(), &real_path);
            let answer = send(request).await;
            let expected = if method == "OPTIONS" { 204 } else { 405 };
            let about = format!("{method} {path} is not in the document");
            assert_eq!(answer.status, expected, "{about}");
            let allowed = answer
                .header("allow")
                .split(',')
                .map(|name| name.trim().to_owned());
            assert_eq!(allowed.collect::<BTreeSet<_>>(), documented, "{path}");
        }
    }
}

#[tokio::test]
async fn options_of_the_server_is_answered() {
    let store = start().await;
    let address = store.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(DEADLINE, reading)
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
}

/// The rules that the handlers check stand in the document too: a program can read them
/// before it sends a request.
#[tokio::test]
async fn openapi_document_states_the_rules_of_values() {
    let store = start().await;
    let document = store.anonymous_client().get("/openapi.json").await.json();
    let rule = |pointer: &str| {
        let found = document.pointer(pointer);
        found.unwrap_or_else(|| panic!("{pointer} is missing"))
    };
    assert_eq!(
        rule("/components/schemas/UserName/pattern"),
        "^[a-z0-9][a-z0-9_-]{0,31}$"
    );
    let user = "#/components/schemas/UserName";
    assert_eq!(rule("/components/schemas/Login/properties/user/$ref"), user);
    let id = rule("/paths/~1users~1{id}~1avatar/get/parameters/0/schema");
    assert_eq!(id["$ref"], user);
    let parameters = rule("/paths/~1games/get/parameters").as_array().unwrap();
    let genre = parameters.iter().find(|it| it["name"] == "genre").unwrap();
    let genres = genre["schema"]["enum"].as_array().unwrap();
    assert!(genres.contains(&json!("puzzle")) && genres.contains(&json!("")));
    assert_eq!(rule("/paths/~1work/post/parameters/0/required"), true);
    assert_eq!(rule("/paths/~1orders/post/parameters/0/required"), true);
    assert_eq!(rule("/components/schemas/ChangeGame/minProperties"), 1);
    let price = rule("/components/schemas/ChangeGame/properties/price_cents/type");
    assert_eq!(price, "integer", "a price cannot be null");
    assert!(rule("/components/schemas/WriteReview/properties/text/pattern").is_string());
}

#[tokio::test]
async fn openapi_operations_and_parameters_are_consistent() {
    let store = start().await;
    let document = store.anonymous_client().get("/openapi.json").await.json();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"]
            .as_str()
            .expect("an operation has no id");
        assert!(
            ids.insert(id),
            "two operations have the id {id}, so a generated client could not tell them apart"
        );

        let parameters = operation["parameters"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let in_path: BTreeSet<_> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let in_template: BTreeSet<_> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(in_path, in_template, "{method} {path}");

        let session = json!({ "session": [] });
        let security = operation["security"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        assert!(
            !operation["responses"]["401"].is_object() || security.contains(&session),
            "{method} {path} requires a session, but the document does not say so"
        );
    }
    assert_eq!(
        document["components"]["securitySchemes"]["session"]["in"], "cookie",
        "the security scheme of the operations is not defined"
    );
    let parameter = |pointer: &str, name: &str| {
        let parameters = document.pointer(pointer).unwrap()["parameters"]
            .as_array()
            .unwrap()
            .iter();
        parameters
            .clone()
            .find(|parameter| parameter["name"] == name)
            .unwrap()["schema"]
            .clone()
    };
    assert_eq!(parameter("/paths/~1games/get", "page")["minimum"], 1);
    assert_eq!(
        parameter("/paths/~1work/post", "job")["enum"],
        json!(["order-export", "trailer-transcode", "doSomething"])
    );
    let orders =
        document["paths"]["/orders"]["get"]["responses"]["200"]["content"]["application/json"]
            .to_string();
    let found = document["components"]["schemas"]["OrderOrList"]["oneOf"].as_array();
    assert!(
        orders.contains("OrderOrList") && found.is_some_and(|either| either.len() == 2),
        "{orders}"
    );
}

/// The operations of the document, each with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path, method, operation))
    })
}

#[tokio::test]
async fn openapi_references_can_be_resolved() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let store = start().await;
    let document = store.anonymous_client().get("/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(
            target.is_some(),
            "{reference} does not exist in the document"
        );
    }
}
