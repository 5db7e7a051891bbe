//! What those who run the store look at.

use std::collections::BTreeSet;

use super::{snapshot, start};
use crate::support::send;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn every_answer_says_who_gave_it_and_to_which_request() {
    let store = start().await;
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
            answer
                .header("content-security-policy")
                .contains("default-src 'self'"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_store_says_that_it_is_alive_and_ready() {
    let store = start().await;
    let visitor = store.visitor();
    for (path, body) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let answer = visitor.get(path).await;
        assert_eq!((answer.status, answer.body.trim()), (StatusCode::OK, body));
    }
}

#[tokio::test]
async fn metrics_count_requests_cache_lookups_orders_and_upstreams() {
    let store = start().await;
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
    assert_eq!(sum("upstream_up{", "upstream="), 3);
    assert_eq!(
        sum("upstream_requests_total", "upstream="),
        5,
        "this very request has no answer yet"
    );
}

/// Every path and method that the document names is served, and answers to customer and visitor, to program and person as it says.
#[tokio::test]
async fn the_interface_is_what_its_description_says() {
    let store = start().await;
    let (ada, visitor) = (store.customer("ada").await, store.visitor());
    let document = ada.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut listed = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = format!("{} {path}", method.to_uppercase());
        assert!(operation["summary"].is_string(), "{name} is not described");
        let real_path = path
            .replace("{page}", "7.html")
            .replace("{name}", "cover.svg")
            .replace("/jobs/{id}", "/jobs/00000000-0000-7000-8000-000000000000")
            .replace("{id}", "7")
            .replace("{review}", "1");
        for (client, accept) in [
            (&ada, "*/*"),
            (&ada, "text/html"),
            (&visitor, "*/*"),
            (&visitor, "text/html"),
        ] {
            let request = client.request(method.to_uppercase().parse().unwrap(), &real_path);
            let answer = send(request.header("accept", accept)).await;
            let documented = &operation["responses"][answer.status.as_str()];
            let about = format!("{name} with Accept: {accept} answered {}", answer.status);
            assert!(
                documented.is_object(),
                "{about}, which its description does not know"
            );
            let kind = answer
                .header("content-type")
                .split(';')
                .next()
                .unwrap_or_default();
            // An empty answer, such as a redirect, has no type. axum calls a status without a body by none either.
            assert!(
                answer.body.is_empty() || documented["content"][kind].is_object(),
                "{about} as {kind:?}, which its description does not know: {documented}"
            );
            // Both ways to log out end the session that the other operations need.
            if path.starts_with("/logout") {
                ada.login("ada").await;
            }
        }
        listed.insert(name);
    }
    snapshot::json("the_interface_is_what_its_description_says", &json!(listed));
}

#[tokio::test]
async fn the_description_names_each_operation_and_each_parameter_once_and_where_it_is() {
    let store = start().await;
    let document = store.visitor().get("/openapi.json").await.json();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"]
            .as_str()
            .expect("an operation has an id");
        assert!(
            ids.insert(id),
            "two operations are called {id}, and a generated client has one method for both"
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
            "{method} {path} asks for a session and does not say so"
        );
    }
    assert_eq!(
        document["components"]["securitySchemes"]["session"]["in"], "cookie",
        "the scheme that the operations name"
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
    let found = document["components"]["schemas"]["Found"]["oneOf"].as_array();
    assert!(
        orders.contains("Found") && found.is_some_and(|either| either.len() == 2),
        "{orders}"
    );
}

/// What stands in the description, as path, method and operation.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path, method, operation))
    })
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
    let store = start().await;
    let document = store.visitor().get("/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} is nowhere in the document");
    }
}
