//! The real HAProxy and the real nginx in front of the balancer.
//!
//! They run in containers with the network of this machine, which only Linux has. All programs
//! listen on 127.0.0.1 only.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::routing::get;
use http::HeaderMap;
use testbed::{Proxy, ProxyKind};

use crate::support::{balance, balance_over, client, clone, free_port, serve, until};

async fn free_address() -> SocketAddr {
    free_port().await.local_addr().unwrap()
}

async fn haproxy(front: SocketAddr, statistics: SocketAddr, balancer: SocketAddr) -> Proxy {
    let config = format!(
        "defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind {front}
    option forwardfor
    http-request set-header X-Forwarded-Proto https
    default_backend balancer
backend balancer
    option httpchk
    server balancer {balancer} check inter 100ms rise 1 fall 1
frontend statistics
    bind {statistics}
    stats enable
    stats uri /
"
    );
    let started = Proxy::start(ProxyKind::HaProxy, &config, front).await;
    started.unwrap()
}

async fn nginx(front: SocketAddr, balancer: SocketAddr) -> Proxy {
    let config = format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {front};
        location / {{
            proxy_pass http://{balancer};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"
    );
    let started = Proxy::start(ProxyKind::Nginx, &config, front).await;
    started.unwrap()
}

/// Waits until the proxy answers with a response of the clone.
async fn is_reachable(front: SocketAddr) {
    let url = format!("http://{front}/");
    until("the clone's response through the proxy", || async {
        let response = client().get(&url).send().await;
        response.is_ok_and(|response| response.status().is_success())
    })
    .await;
}

/// A clone that sends back what it learns about the client.
async fn echo() -> crate::support::TestServer {
    let handler = async |headers: HeaderMap| {
        let names = ["host", "x-forwarded-for", "x-forwarded-proto"];
        let value = |name| {
            headers
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
        };
        names.map(value).join(" | ")
    };
    // HAProxy's check is `OPTIONS /`. Without an answer it takes the balancer for broken.
    let route = get(handler).options(async || ());
    serve(Router::new().route("/", route)).await
}

async fn what_the_clone_sees(front: SocketAddr) -> String {
    let request = client()
        .get(format!("http://{front}/"))
        .header("host", "shop.example")
        .header("x-forwarded-for", "203.0.113.9");
    request.send().await.unwrap().text().await.unwrap()
}

/// Without further settings, the check is `OPTIONS / HTTP/1.0` without a `Host`.
#[tokio::test]
async fn haproxy_finds_the_balancer_healthy() {
    let clone = clone("clone-1").await;
    let balancer = balance(&[clone.addr]).await;
    let (front, statistics) = (free_address().await, free_address().await);
    let _haproxy = haproxy(front, statistics, balancer.addr).await;
    let url = format!("http://{statistics}/;csv");
    // The column `check_status` of the server is `L7OK` after a check with 2xx or 3xx.
    until("a successful check by HAProxy", || async {
        let Ok(response) = client().get(&url).send().await else {
            return false;
        };
        let table = response.text().await.unwrap();
        let server = table
            .lines()
            .find(|line| line.starts_with("balancer,balancer,"));
        let server = server.expect("HAProxy lists its server");
        assert!(
            !server.contains(",L7STS,"),
            "HAProxy refuses the status: {server}"
        );
        server.contains(",UP,") && server.contains(",L7OK,")
    })
    .await;
    is_reachable(front).await;
}

#[tokio::test]
async fn clone_learns_the_client_behind_a_trusted_proxy() {
    let clone = echo().await;
    let local: IpAddr = [127, 0, 0, 1].into();
    let trusting = balance_over(|it| it.with_trusted_proxies(&[local]), &[clone.addr]).await;
    let wary = balance(&[clone.addr]).await;

    let (front, statistics) = (free_address().await, free_address().await);
    let through_nginx = nginx(front, trusting.addr).await;
    is_reachable(front).await;
    // The client's own entry, the client as nginx sees it, nginx as the balancer sees it.
    let expected = "shop.example | 203.0.113.9, 127.0.0.1, 127.0.0.1 | https";
    assert_eq!(what_the_clone_sees(front).await, expected);
    drop(through_nginx);

    let haproxy_front = free_address().await;
    let _through_haproxy = haproxy(haproxy_front, statistics, trusting.addr).await;
    is_reachable(haproxy_front).await;
    // HAProxy adds a second line, and the balancer joins the lines.
    assert_eq!(what_the_clone_sees(haproxy_front).await, expected);

    let untrusted_front = free_address().await;
    let _untrusted = nginx(untrusted_front, wary.addr).await;
    is_reachable(untrusted_front).await;
    assert_eq!(
        what_the_clone_sees(untrusted_front).await,
        "shop.example | 127.0.0.1 | http",
        "the balancer believes a proxy that it does not trust"
    );
}
