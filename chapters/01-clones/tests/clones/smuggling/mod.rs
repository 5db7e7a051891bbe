//! No message of a client or a clone may become two requests or two responses.
//!
//! The tests send each [case](cases) through a balancer to three clones: two [lenient](lenient)
//! ones and one of this chapter. One rule holds for all: the clone has seen exactly the requests
//! whose responses the client has got, in the same order. A [strict](strict) reader must find the
//! same requests in the bytes that the lenient clones got. An [unchecked proxy](unchecked_proxy)
//! breaks the rule, which shows that the tests can catch one.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;

use crate::support::{balance, serve, within_deadline};

mod cases;
mod client;
mod lenient;
mod splitting;
mod strict;
mod unchecked_proxy;

use cases::{After, CASES, Case};
use client::Client;
use lenient::{LenientClone, Log, Trusts};

/// Sends the case and then a valid request. Compares the responses with the expected ones, and with
/// the requests that the clone has seen.
async fn check_case(front: SocketAddr, log: &Log, case: &Case) -> Result<(), String> {
    log.lock().unwrap().clear();
    let mut client = Client::connect(front).await;
    client.send(&case.request_bytes()).await;
    if case.after == After::Cut {
        client.stream.shutdown().await.unwrap();
    }
    let mut answers = Vec::new();
    while case.after != After::Open || answers.len() < case.answers.len() {
        match client.response().await {
            Some(answer) => answers.push(answer),
            None => break,
        }
    }
    if answers != case.answers {
        return Err(format!("expected {:?}, got {answers:?}", case.answers));
    }
    // Bytes that are left over, in the client's or in the clone's connection, would show up here.
    let last = if case.after == After::Open {
        client.send(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.response().await
    } else {
        Client::get(front, "/last").await
    };
    if last.as_deref() != Some("200 /last") {
        return Err(format!("the valid request after it got {last:?}"));
    }
    answers.extend(last);
    let from_clone: Vec<&str> = answers
        .iter()
        .filter_map(|answer| answer.strip_prefix("200 "))
        .collect();
    let seen = log.lock().unwrap().clone();
    if seen != from_clone {
        return Err(format!(
            "the clone has seen {seen:?}, and the client has responses to {from_clone:?}"
        ));
    }
    Ok(())
}

#[tokio::test]
async fn clone_sees_exactly_the_answered_requests() {
    let mut failures = Vec::new();
    for trusts in [Trusts::Length, Trusts::Coding] {
        let clone = LenientClone::start(trusts).await;
        let front = balance(&[clone.addr]).await;
        for case in CASES {
            let result = check_case(front.addr, &clone.log, case)
                .await
                .and_then(|()| clone.check_bytes());
            if let Err(why) = result {
                failures.push(format!(
                    "{}, with a clone that trusts the {trusts:?}: {why}",
                    case.name
                ));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(CASES.len() >= 40);
}

#[tokio::test]
async fn chapter_servers_see_exactly_the_answered_requests() {
    async fn take(State(log): State<Log>, request: Request) -> String {
        let path = request.uri().path().to_owned();
        if request.into_body().collect().await.is_ok() {
            log.lock().unwrap().push(path.clone());
        }
        path
    }
    let log = Log::default();
    let clone = serve(Router::new().fallback(take).with_state(log.clone())).await;
    let front = balance(&[clone.addr]).await;
    let mut failures = Vec::new();
    for case in CASES {
        if let Err(why) = check_case(front.addr, &log, case).await {
            failures.push(format!("{}: {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Whether the case deceives a proxy without checks: the clone sees another number of requests than
/// the client gets responses.
async fn deceives_unchecked_proxy(case: &Case, trusts: Trusts) -> bool {
    let clone = LenientClone::start(trusts).await;
    let front = unchecked_proxy::start(clone.addr).await;
    let mut client = Client::connect(front).await;
    client.send(&case.request_bytes()).await;
    client.stream.shutdown().await.unwrap();
    let mut answered = 0;
    while client.response().await.is_some() {
        answered += 1;
    }
    // The proxy keeps the order, so a request that is hidden in the case comes first.
    let last = within_deadline("the valid request after it", Client::get(front, "/last")).await;
    let seen = clone.log.lock().unwrap().len();
    seen != answered + 1 || last.as_deref() != Some("200 /last")
}

#[tokio::test]
async fn unchecked_proxy_is_caught_smuggling() {
    let mut deceived = 0;
    for case in CASES.iter().filter(|case| case.deceives_unchecked_proxy) {
        let is_deceived = deceives_unchecked_proxy(case, Trusts::Length).await
            || deceives_unchecked_proxy(case, Trusts::Coding).await;
        assert!(
            is_deceived,
            "{}: the rule does not catch this case",
            case.name
        );
        deceived += 1;
    }
    assert!(deceived >= 8, "only {deceived} cases deceive the proxy");
    for honest in CASES
        .iter()
        .filter(|case| case.name == "an honest pipeline")
    {
        let is_deceived = deceives_unchecked_proxy(honest, Trusts::Coding).await;
        assert!(!is_deceived, "the proxy must pass honest requests");
    }
}
