//! A clone that flaps: it is up and down in turn.
//!
//! It causes errors each time it comes back, so each ejection must last longer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use ch01_clones::balancer::{HealthPolicy, ProbePolicy};
use http::{Method, StatusCode};
use loadgen::{Report, Request, Target, open_loop};
use tokio::io::AsyncWriteExt;

use crate::support::{TestBalancer, TestServer, balance_over, client, read_head, scripted, serve};

async fn well() -> TestServer {
    let ok = || async { "ok" };
    serve(Router::new().route("/", get(ok).post(ok))).await
}

/// A clone that answers twelve requests, breaks off five, answers twelve, and so on.
async fn flaps() -> SocketAddr {
    let requests = Arc::new(AtomicUsize::new(0));
    scripted(move |_, mut stream| {
        let requests = Arc::clone(&requests);
        async move {
            while !read_head(&mut stream).await.is_empty() {
                let number = requests.fetch_add(1, Ordering::SeqCst);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if number % 17 >= 12 || stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

struct Flapped {
    report: Report,
    ejections: u64,
    elapsed: Duration,
}

/// Two healthy clones and one that flaps, under load for four seconds: 350 GETs and 150 POSTs per
/// second. Retries hide the failures of GETs, so the POSTs show them.
async fn four_seconds_with(policy: HealthPolicy) -> Flapped {
    let begin = Instant::now();
    let (one, two) = (well().await, well().await);
    let addresses = [one.addr, flaps().await, two.addr];
    let front: TestBalancer =
        balance_over(|balancer| balancer.with_health(policy), &addresses).await;
    let target = Target::parse(&format!("http://{}", front.addr)).unwrap();
    let four = Duration::from_secs(4);
    let (mut report, posts) = tokio::join!(
        open_loop(&target, 350, 20, four, |_| Request::get("/")),
        open_loop(&target, 150, 10, four, |_| Request::new(Method::POST, "/")),
    );
    assert_eq!(
        report.failures(),
        0,
        "a GET failed: is it retried at another clone?"
    );
    report.merge(&posts);
    Flapped {
        report,
        ejections: front.balancer.status()[1].ejections,
        elapsed: begin.elapsed(),
    }
}

/// The minimum time of this many ejections with doubling, without the last one.
fn with_back_off(ejections: u64, first: Duration) -> Duration {
    first * (2_u32.pow(ejections.saturating_sub(1) as u32) - 1)
}

#[tokio::test]
async fn flapping_clone_fails_under_one_percent() {
    let first = Duration::from_millis(400);
    let no_slow_start = HealthPolicy {
        base_ejection: first,
        slow_start: Duration::ZERO,
        ..HealthPolicy::default()
    };
    let share =
        |flapped: &Flapped| flapped.report.failures() as f64 / flapped.report.requests as f64;

    let never_ejects = HealthPolicy {
        max_failures: u32::MAX,
        ..no_slow_start
    };
    let naive = four_seconds_with(never_ejects).await;
    assert!(
        naive.ejections == 0 && share(&naive) > 0.01,
        "without ejection, more than one request in a hundred must fail: {:?}",
        naive.report.by_status
    );

    let never_longer = HealthPolicy {
        max_ejection: first,
        ..no_slow_start
    };
    let naive = four_seconds_with(never_longer).await;
    assert!(
        with_back_off(naive.ejections, first) > naive.elapsed,
        "without a back-off, there must be many ejections: {} in {:?}",
        naive.ejections,
        naive.elapsed
    );

    let fixed = four_seconds_with(no_slow_start).await;
    println!(
        "{:?}, {} ejections; without a back-off {:?}, {} ejections",
        fixed.report.by_status, fixed.ejections, naive.report.by_status, naive.ejections
    );
    assert!(
        share(&fixed) <= 0.01,
        "{:?}: is a clone whose requests fail ejected?",
        fixed.report.by_status
    );
    assert!(
        fixed.ejections >= 2,
        "the clone was not ejected, or did not come back"
    );
    assert!(
        with_back_off(fixed.ejections, first) <= fixed.elapsed,
        "{} ejections in {:?}: does each ejection last longer?",
        fixed.ejections,
        fixed.elapsed
    );
}

/// A clone that is ready for three probes, not ready for three, and so on.
async fn ready_in_turn() -> TestServer {
    let probes = Arc::new(AtomicUsize::new(0));
    let ready = move || {
        let number = probes.fetch_add(1, Ordering::SeqCst);
        async move {
            if number % 6 < 3 {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    };
    let router = Router::new().route("/readyz", get(ready));
    serve(router.route("/", get(|| async { "ok" }))).await
}

#[tokio::test]
async fn half_of_all_flapping_clones_stay() {
    let mut clones = Vec::new();
    for _ in 0..4 {
        clones.push(ready_in_turn().await);
    }
    let addresses: Vec<_> = clones.iter().map(|clone| clone.addr).collect();
    let front = balance_over(|balancer| balancer, &addresses).await;
    let probes = ProbePolicy {
        // A long time-out, so that only the responses count on a slow machine.
        timeout: Duration::from_secs(10),
        ..ProbePolicy::default()
    };
    let mut most_out = 0;
    for _ in 0..30 {
        front.balancer.probe_all(&probes).await;
        let status = front.balancer.status();
        let out = status.iter().filter(|clone| !clone.is_up).count();
        assert!(out <= 2, "more than half of the clones are out: {status:?}");
        most_out = most_out.max(out);
        let answer = client().get(front.url("/")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(
        most_out, 2,
        "all probes failed together, so half of the clones must be out"
    );
}
