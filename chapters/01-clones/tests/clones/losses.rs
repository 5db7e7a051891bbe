//! Clones die, hang, or are all unreachable, while requests are in flight.
//!
//! No test depends on speed: a test kills a clone when the clone holds a request, and waits for the
//! expected result.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use ch01_clones::balancer::{HealthPolicy, HealthState as Health, ProbePolicy, RetryPolicy};
use ch01_clones::web::limits::Limits;
use http::StatusCode;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::balancing::unused_address;
use crate::process::{self, CloneProcess};
use crate::retries::breaks_off;
use crate::support::{
    TestBalancer, balance_over, client, clone_with, free_port, header, serve_on, until,
    within_deadline,
};

/// Sends a signal to a clone.
pub async fn signal(clone: &CloneProcess, signal: &str) {
    let id = clone.id().expect("the process runs").to_string();
    assert!(
        Command::new("kill")
            .args([signal, &id])
            .status()
            .await
            .unwrap()
            .success()
    );
}

#[tokio::test]
async fn requests_leave_a_hanging_clone() {
    let mut clones = Vec::new();
    for name in ["clone-1", "clone-2", "clone-3"] {
        clones.push(process::start(name, "local", None).await);
    }
    let addrs: Vec<_> = clones.iter().map(|clone| clone.address).collect();
    let policy = HealthPolicy {
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;
    let probes = ProbePolicy {
        timeout: Duration::from_secs(2),
        ..ProbePolicy::default()
    };

    // The kernel still accepts its connections, but the clone does not respond.
    signal(&clones[1], "-STOP").await;
    let mut users = JoinSet::new();
    for _ in 0..9 {
        let asking = client().get(front.url("/whoami")).send();
        users.spawn(async move { asking.await.unwrap() });
    }
    for _ in 0..6 {
        let answer = within_deadline("the healthy clones to respond", users.join_next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.status(), 200);
    }
    until("three requests to wait for the hanging clone", async || {
        front.balancer.status()[1].in_flight == 3
    })
    .await;

    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Up,
        "one failed probe must not take a clone out"
    );
    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Down,
        "{:?}",
        front.balancer.status()
    );

    for answer in within_deadline("the waiting requests to be retried", users.join_all()).await {
        assert_eq!(answer.status(), 200);
        assert_ne!(header(&answer, "x-served-by"), "clone-2");
    }
    assert_eq!(front.balancer.status()[1].in_flight, 0);

    signal(&clones[1], "-CONT").await;
    front.balancer.probe_all(&probes).await;
    front.balancer.probe_all(&probes).await;
    assert_eq!(
        front.balancer.status()[1].state,
        Health::Up,
        "the clone responds again"
    );
}

#[tokio::test]
async fn unready_clone_gets_no_requests() {
    let unready = || async { StatusCode::SERVICE_UNAVAILABLE };
    let router = |name| clone_with(name, Arc::new(ch01_clones::MemorySessions::new()));
    let starting = Router::new()
        .route("/not-yet", get(unready))
        .fallback_service(router("clone-1"));
    let ready = Router::new()
        .route("/not-yet", get("ready"))
        .fallback_service(router("clone-2"));
    let starting = serve_on(free_port().await, Limits::default(), starting);
    let ready = serve_on(free_port().await, Limits::default(), ready);
    let front = balance_over(|balancer| balancer, &[starting.addr, ready.addr]).await;
    let probes = ProbePolicy {
        path: "/not-yet".to_owned(),
        timeout: Duration::from_secs(5),
        ..ProbePolicy::default()
    };

    front.balancer.probe_all(&probes).await;
    front.balancer.probe_all(&probes).await;

    for _ in 0..6 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            header(&answer, "x-served-by"),
            "clone-2",
            "a clone that is not ready must get no requests"
        );
    }
}

#[tokio::test]
async fn returning_clones_serve_at_once() {
    let sockets = [unused_address(), unused_address(), unused_address()];
    let addrs: Vec<_> = sockets
        .iter()
        .map(|socket| socket.local_addr().unwrap())
        .collect();
    let hour = Duration::from_hours(1);
    // Ejections last an hour, so only failing open reaches the clones.
    let policy = HealthPolicy {
        base_ejection: hour,
        max_ejection: hour,
        ..HealthPolicy::default()
    };
    let front = balance_over(|balancer| balancer.with_health(policy), &addrs).await;
    for _ in 0..9 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, "retry-after")),
            (503, "1")
        );
    }

    let [first, second, third] = sockets;
    drop((second, third));
    let router = clone_with("clone-1", Arc::new(ch01_clones::MemorySessions::new()));
    let _back = serve_on(first.listen(128).unwrap(), Limits::default(), router);

    for _ in 0..9 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            answer.status(),
            200,
            "one clone is back: does the balancer fail open?"
        );
    }
}

/// How many requests reach the clones per request of a user, if all clones break off.
async fn amplification(policy: RetryPolicy) -> f64 {
    let mut clones = Vec::new();
    for _ in 0..3 {
        clones.push(breaks_off().await);
    }
    let addrs: Vec<_> = clones.iter().map(|(addr, _)| *addr).collect();
    let front: TestBalancer = balance_over(|balancer| balancer.with_retries(policy), &addrs).await;
    let client = client();
    for _ in 0..300 {
        assert_eq!(
            client.get(front.url("/")).send().await.unwrap().status(),
            502
        );
    }
    let taken: usize = clones
        .iter()
        .map(|(_, taken)| taken.load(Ordering::SeqCst))
        .sum();
    taken as f64 / 300.0
}

#[tokio::test]
async fn retry_budget_limits_load_on_sick_clones() {
    let unlimited = RetryPolicy {
        max_attempts: 3,
        budget: f64::INFINITY,
        min_retries: 0,
    };
    let naive = amplification(unlimited).await;
    assert!(
        (naive - 3.0).abs() < 1e-9,
        "three attempts per request make {naive} times the load"
    );

    let fixed = amplification(RetryPolicy {
        max_attempts: 3,
        ..RetryPolicy::default()
    })
    .await;
    assert!(
        fixed <= 1.2,
        "{fixed} times the load: is there a retry budget for all requests?"
    );
}
