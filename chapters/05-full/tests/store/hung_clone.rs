//! The store's balancer has the health checks of chapter 1: a clone that hangs costs one request.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, routing::get};
use ch05_full::roles;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::Client;

/// Two failed probes, each after 500 ms, with 500 ms between them, and some time for a busy
/// machine.
const LONG: Duration = Duration::from_millis(2_500);

/// A listener and its address. Nothing is accepted before somebody serves it.
async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn hung_clone_delays_at_most_one_request() {
    let good = Router::new()
        .route("/whoami", get(async || "good"))
        .route("/readyz", get(async || "ready"));
    let (good_listener, good_address) = listen().await;
    tokio::spawn(async { axum::serve(good_listener, good).await });
    // The operating system opens its connections, and no program reads from them.
    let (_hung, hung_address) = listen().await;
    let (front, address) = listen().await;
    let clones = [
        ("good".to_owned(), good_address),
        ("hung".to_owned(), hung_address),
    ];
    let balancer = roles::balancer::balancer(&clones).unwrap();
    tokio::spawn(roles::balancer::run(
        front,
        balancer,
        std::future::pending(),
    ));
    let client = Client::new(&format!("http://{address}"));
    let mut waits = Vec::new();
    for _ in 0..12 {
        let begin = Instant::now();
        let answer = client.get("/whoami").await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, "good"));
        waits.push(begin.elapsed());
    }
    let long = waits.iter().filter(|wait| **wait > LONG).count();
    assert!(
        long <= 1,
        "{long} of 12 requests waited for the hung clone: does the balancer probe? {waits:?}"
    );
}

#[tokio::test]
async fn clones_at_one_address_are_refused() {
    let (_listener, address) = listen().await;
    let twice = [
        ("clone-1".to_owned(), address),
        ("clone-2".to_owned(), address),
    ];
    let error = roles::balancer::balancer(&twice).unwrap_err().to_string();
    assert!(error.contains("two clones are at"), "{error}");
}
