//! What those who run the store look at.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{TestStore, send};

#[tokio::test]
async fn every_answer_says_who_gave_it_and_to_which_request() {
    let store = TestStore::start().await;
    let visitor = store.visitor();
    for path in ["/", "/games/7", "/no-such-path", "/me"] {
        let answer = send(
            visitor
                .request(Method::GET, path)
                .header("x-request-id", "a-request.42"),
        )
        .await;
        assert!(answer.header("x-served-by").starts_with("clone-"), "{path}");
        assert_eq!(answer.header("x-request-id"), "a-request.42", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(
            answer.header("content-security-policy").contains("default-src 'self'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_store_says_that_it_is_alive_and_ready() {
    let store = TestStore::start().await;
    let visitor = store.visitor();
    for (path, body) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status, answer.body.trim()), (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn metrics_count_requests_cache_lookups_orders_and_upstreams() {
    let store = TestStore::start().await;
    let visitor = store.visitor();
    for id in [7, 7, 7, 8, 999_999] {
        visitor.get(&format!("/games/{id}")).await;
    }
    let metrics = visitor.get("/metrics").await.body;
    let sum = |name: &str, label: &str| -> u64 {
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(sum("http_requests_total", r#"route="/games/{id}",status="200""#), 4);
    assert_eq!(sum("http_requests_total", r#"route="/games/{id}",status="404""#), 1);
    assert_eq!(sum("cache_lookups_total", "hit"), 2);
    assert_eq!(sum("cache_lookups_total", "miss"), 3);
    assert_eq!(sum("orders{", "shard="), 1_000);
    assert_eq!(sum("upstream_up{", "upstream="), 3);
    assert_eq!(
        sum("upstream_requests_total", "upstream="),
        5,
        "this very request has no answer yet"
    );
}

/// Every path and method that the document names is served, and what is asked wrongly is refused as it says.
#[tokio::test]
async fn the_interface_is_what_its_description_says() {
    let store = TestStore::start().await;
    let ada = store.customer("ada").await;
    let document = ada.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                !responses.is_empty() && operation["summary"].is_string(),
                "{method} {path} is not described"
            );
            operations.insert(format!("{} {path}", method.to_uppercase()));
            let real_path = path
                .replace("{page}", "7.html")
                .replace("{name}", "cover.svg")
                .replace("/jobs/{id}", "/jobs/00000000-0000-7000-8000-000000000000")
                .replace("{id}", "7")
                .replace("{review}", "1");
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = send(ada.request(method.clone(), &real_path)).await;
            let documented = responses.contains_key(answer.status.as_str());
            // A body was left out where one is asked for; that is refused everywhere alike and not repeated in the document.
            let refused =
                answer.status == StatusCode::UNSUPPORTED_MEDIA_TYPE || answer.status == StatusCode::BAD_REQUEST;
            assert!(
                documented || refused,
                "{method} {path} answered {}, which its description does not know",
                answer.status
            );
        }
    }
    insta::assert_json_snapshot!(operations);
}

#[tokio::test]
async fn every_reference_in_the_description_leads_somewhere() {
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
    let store = TestStore::start().await;
    let document = store.visitor().get("/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} is nowhere in the document");
    }
}
