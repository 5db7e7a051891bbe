//! Which clone gets a request, and what happens if a clone is not reachable.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use axum::{Extension, Router, routing::get};
use ch01_clones::balancer::HealthPolicy;
use ch01_clones::web::{limits::Limits, server::PeerAddr};
use tokio::net::TcpSocket;

use crate::support::{
    balance, balance_over, client, clone, clone_with, header, serve, serve_on, until,
};

/// A bound socket that does not listen. It reserves the port until it is dropped.
pub fn unused_address() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

#[tokio::test]
async fn clones_take_turns() {
    let clones = [
        clone("clone-1").await,
        clone("clone-2").await,
        clone("clone-3").await,
    ];
    let front = balance(&[clones[0].addr, clones[1].addr, clones[2].addr]).await;

    let mut served = BTreeMap::new();
    for _ in 0..30 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        *served
            .entry(header(&answer, "x-served-by").to_owned())
            .or_insert(0) += 1;
    }

    let counts: Vec<i32> = served.values().copied().collect();
    assert_eq!(
        counts,
        [10, 10, 10],
        "{served:?}: does the balancer advance its counter?"
    );
}

#[tokio::test]
async fn stopped_clone_fails_no_request() {
    let mut clones = vec![
        clone("clone-1").await,
        clone("clone-2").await,
        clone("clone-3").await,
    ];
    let addrs: Vec<_> = clones.iter().map(|clone| clone.addr).collect();
    let front = balance(&addrs).await;
    let client = client();

    for number in 0..60 {
        if number == 30 {
            clones.remove(1).stop().await;
        }
        let answer = client.get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            answer.status(),
            200,
            "request {number} failed: does it go to the next clone?"
        );
    }

    let status = front.balancer.status();
    assert!(!status[1].is_up, "{status:?}");
    let (first, third) = (status[0].requests, status[2].requests);
    assert!(
        first.abs_diff(third) <= 2,
        "{status:?}: one clone gets all turns of the dead one"
    );
}

#[tokio::test]
async fn dead_clone_costs_one_failed_connection() {
    let dead = unused_address();
    let alive = clone("clone-2").await;
    let policy = HealthPolicy {
        base_ejection: Duration::from_hours(1),
        max_ejection: Duration::from_hours(1),
        ..HealthPolicy::default()
    };
    let front = balance_over(
        |balancer| balancer.with_health(policy),
        &[dead.local_addr().unwrap(), alive.addr],
    )
    .await;

    for _ in 0..20 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    let status = front.balancer.status();
    assert_eq!(
        status[0].failures, 1,
        "{status:?}: is a clone that refused a connection ejected?"
    );
}

#[tokio::test]
async fn dead_clone_is_tried_after_its_ejection() {
    let socket = unused_address();
    let alive = clone("clone-2").await;
    let policy = HealthPolicy {
        base_ejection: Duration::from_millis(20),
        ..HealthPolicy::default()
    };
    let front = balance_over(
        |balancer| balancer.with_health(policy),
        &[socket.local_addr().unwrap(), alive.addr],
    )
    .await;
    let answer = client().get(front.url("/whoami")).send().await.unwrap();
    assert_eq!(header(&answer, "x-served-by"), "clone-2");
    assert!(!front.balancer.status()[0].is_up);

    let router = clone_with(
        "clone-1",
        std::sync::Arc::new(ch01_clones::MemorySessions::new()),
    );
    let _back = serve_on(socket.listen(128).unwrap(), Limits::default(), router);

    until("clone-1 to get requests again", || async {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        header(&answer, "x-served-by") == "clone-1"
    })
    .await;
    assert!(front.balancer.status()[0].is_up);
}

#[tokio::test]
async fn all_clones_unreachable_is_503_with_retry_after() {
    let (first, second) = (unused_address(), unused_address());
    let front = balance(&[first.local_addr().unwrap(), second.local_addr().unwrap()]).await;

    let answer = client()
        .post(front.url("/login"))
        .body("{}")
        .send()
        .await
        .unwrap();

    assert_eq!(answer.status(), 503);
    assert_eq!(header(&answer, "retry-after"), "1");
    assert_eq!(header(&answer, "content-type"), "application/problem+json");
    assert!(!header(&answer, "x-request-id").is_empty());
}

#[tokio::test]
async fn balancer_without_clones_responds_with_503() {
    let front = balance(&[]).await;
    assert_eq!(
        client().get(front.url("/")).send().await.unwrap().status(),
        503
    );
}

#[tokio::test]
async fn balancer_fails_open() {
    let socket = unused_address();
    // The ejection lasts an hour, so only failing open reaches the clone.
    let policy = HealthPolicy {
        base_ejection: Duration::from_hours(1),
        max_ejection: Duration::from_hours(1),
        ..HealthPolicy::default()
    };
    let front = balance_over(
        |balancer| balancer.with_health(policy),
        &[socket.local_addr().unwrap()],
    )
    .await;
    assert_eq!(
        client()
            .get(front.url("/whoami"))
            .send()
            .await
            .unwrap()
            .status(),
        503
    );

    let router = clone_with(
        "clone-1",
        std::sync::Arc::new(ch01_clones::MemorySessions::new()),
    );
    let _back = serve_on(socket.listen(128).unwrap(), Limits::default(), router);

    let answer = client().get(front.url("/whoami")).send().await.unwrap();
    assert_eq!(
        answer.status(),
        200,
        "the only clone is back: does the balancer fail open?"
    );
    assert!(front.balancer.status()[0].is_up);
}

#[tokio::test]
async fn connections_to_a_clone_are_reused() {
    let peer_address =
        |Extension(PeerAddr(peer)): Extension<PeerAddr>| async move { peer.to_string() };
    let clone = serve(Router::new().route("/", get(peer_address).post(peer_address))).await;
    let front = balance(&[clone.addr]).await;

    let mut connections = HashSet::new();
    for _ in 0..10 {
        let answer = client().get(front.url("/")).send().await.unwrap();
        connections.insert(answer.text().await.unwrap());
        let answer = client()
            .post(front.url("/"))
            .body("a body")
            .send()
            .await
            .unwrap();
        connections.insert(answer.text().await.unwrap());
        // A response without a body must return its connection to the pool too.
        client().head(front.url("/")).send().await.unwrap();
    }

    assert_eq!(
        connections.len(),
        1,
        "30 requests in sequence: does a connection return to the pool?"
    );
}
