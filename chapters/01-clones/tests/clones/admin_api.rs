//! The admin API of a balancer in its own process.

use std::net::SocketAddr;

use serde_json::Value;

use crate::role::Role;
use crate::support::{client, clone};

/// The names of the clones in the list of the admin API.
pub async fn clones(admin: SocketAddr) -> Vec<String> {
    let list: Value = client()
        .get(format!("http://{admin}/upstreams"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Sends a request to the admin API. Returns the status and the text.
async fn ask(
    admin: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    let mut request = client().request(method.parse().unwrap(), format!("http://{admin}{path}"));
    if !body.is_empty() {
        request = request
            .header("content-type", "application/json")
            .body(body.to_owned());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn admin_api_manages_clones_and_shows_metrics() {
    let (one, two) = (clone("one").await, clone("two").await);
    let upstream = one.addr.to_string();
    let mut balancer = Role::start(&[
        "balancer",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--upstream",
        &upstream,
    ]);
    let front = balancer.address("balancer listens").await;
    let admin = balancer.address("admin API").await;
    let new = format!(
        "{{\"name\":\"clone-2\",\"addr\":\"{}\",\"weight\":3}}",
        two.addr
    );

    assert_eq!(ask(admin, "POST", "/upstreams", &new, &[]).await.0, 201);
    assert_eq!(ask(admin, "POST", "/upstreams", &new, &[]).await.0, 409);
    assert_eq!(clones(admin).await, ["clone-1", "clone-2"]);
    assert_eq!(
        ask(admin, "POST", "/upstreams/clone-1/drain", "", &[])
            .await
            .0,
        200
    );
    for _ in 0..4 {
        let answer = client()
            .get(format!("http://{front}/whoami"))
            .send()
            .await
            .unwrap();
        assert_eq!(
            answer.text().await.unwrap(),
            "two\n",
            "the other clone is drained"
        );
    }
    let (_, metrics) = ask(admin, "GET", "/metrics", "", &[]).await;
    for line in [
        "upstream_up{upstream=\"clone-1\"} 0",
        "upstream_requests_total{upstream=\"clone-2\"} 4",
        "upstream_response_seconds_count{upstream=\"clone-2\"} 4",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
    assert_eq!(
        ask(admin, "POST", "/upstreams/clone-1/resume", "", &[])
            .await
            .0,
        204
    );
    assert_eq!(
        ask(admin, "DELETE", "/upstreams/clone-2", "", &[]).await.0,
        204
    );
    assert_eq!(clones(admin).await, ["clone-1"]);

    for (method, path, body, status) in [
        ("DELETE", "/upstreams/clone-9", "", 404),
        ("POST", "/upstreams/clone-9/drain", "", 404),
        ("PUT", "/upstreams", "", 405),
        ("GET", "/clones", "", 404),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a b\",\"addr\":\"127.0.0.1:1\"}",
            422,
        ),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a\",\"addr\":\"127.0.0.1:1\",\"weight\":0}",
            422,
        ),
        (
            "POST",
            "/upstreams",
            "{\"name\":\"a\",\"addr\":\"localhost\"}",
            422,
        ),
        ("POST", "/upstreams", "{", 400),
    ] {
        assert_eq!(
            ask(admin, method, path, body, &[]).await.0,
            status,
            "{method} {path} {body}"
        );
    }
}

#[tokio::test]
async fn admin_api_refuses_web_pages() {
    let mut balancer = Role::start(&[
        "balancer",
        "--listen=127.0.0.1:0",
        "--admin=127.0.0.1:0",
        "--upstream=127.0.0.1:1",
    ]);
    balancer.address("balancer listens").await;
    let admin = balancer.address("admin API").await;
    let from_a_page = [("origin", "http://elsewhere.example")];
    assert_eq!(
        ask(admin, "POST", "/upstreams/clone-1/drain", "", &from_a_page)
            .await
            .0,
        403,
        "a web page of another origin must not be able to drain clones"
    );
    for (host, status) in [
        ("elsewhere.example:9901", 421),
        ("127.0.0.1.elsewhere.example", 421),
        ("caf\u{e9}:9901", 421),
        ("localhost:9901", 200),
        ("[::1]:9901", 200),
    ] {
        let (answer, _) = ask(admin, "GET", "/upstreams", "", &[("host", host)]).await;
        assert_eq!(
            answer, status,
            "DNS rebinding: a page under the name {host} must not read the admin API"
        );
    }
}
