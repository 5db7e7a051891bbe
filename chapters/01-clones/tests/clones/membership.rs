//! Adding, draining and removing clones while requests are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::{Router, routing::get};
use ch01_clones::Upstream;
use ch01_clones::balancer::strategy::StrategyName;
use ch01_clones::balancer::{HealthState, MembershipError};
use http::StatusCode;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::streaming::{dictated, get_slash, read_chunk};
use crate::support::{
    balance, balance_over, client, clone, header, log_in, read_head, serve, until, within_deadline,
};

/// A clone that responds when the test allows it, and tells the test when a request has come.
async fn held_clone() -> (
    crate::support::TestServer,
    mpsc::UnboundedReceiver<()>,
    watch::Sender<bool>,
) {
    let (tell, started) = mpsc::unbounded_channel();
    let (finish, wait) = watch::channel(false);
    let handler = move || async move {
        tell.send(()).unwrap();
        wait.clone().wait_for(|finish| *finish).await.unwrap();
        "finished"
    };
    (
        serve(Router::new().route("/", get(handler))).await,
        started,
        finish,
    )
}

#[tokio::test]
async fn draining_clone_finishes_and_gets_nothing_new() {
    let (old, mut started, finish) = held_clone().await;
    let front = balance(&[old.addr]).await;
    let url = front.url("/");
    let in_flight = tokio::spawn(async move {
        client()
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    });
    within_deadline("the request to start", started.recv()).await;
    let new = clone("clone-2").await;
    front
        .balancer
        .add(Upstream::new("clone-2", new.addr))
        .unwrap();

    let balancer = Arc::clone(&front.balancer);
    let draining = tokio::spawn(async move { balancer.drain("clone-1").await });
    until("the drain to begin", async || {
        front.balancer.status()[0].state == HealthState::Draining
    })
    .await;
    for _ in 0..6 {
        let answer = client().get(front.url("/whoami")).send().await.unwrap();
        assert_eq!(
            header(&answer, "x-served-by"),
            "clone-2",
            "a draining clone got a new request"
        );
    }
    assert!(
        !draining.is_finished(),
        "a request is in flight: does the drain wait for it?"
    );
    assert_eq!(front.balancer.status()[0].in_flight, 1);

    finish.send(true).unwrap();
    within_deadline("the drain to end", draining)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        within_deadline("the request in flight", in_flight)
            .await
            .unwrap(),
        "finished"
    );
    front.balancer.remove("clone-1").unwrap();
    assert_eq!(front.balancer.status().len(), 1);
}

#[tokio::test]
async fn drain_waits_for_the_last_byte() {
    let (clone, pieces, _dropped) = dictated().await;
    let front = balance(&[clone.addr]).await;
    let mut user = get_slash(front.addr).await;
    pieces.send("one".into()).unwrap();
    assert!(read_head(&mut user).await.starts_with("HTTP/1.1 200"));
    read_chunk(&mut user, "one").await;

    assert_eq!(
        front.balancer.status()[0].in_flight,
        1,
        "half a response has come: does the request end with the head?"
    );
    let balancer = Arc::clone(&front.balancer);
    let draining = tokio::spawn(async move { balancer.drain("clone-1").await });
    until("the drain to begin", async || {
        front.balancer.status()[0].state == HealthState::Draining
    })
    .await;
    assert!(
        !draining.is_finished(),
        "the drain ended in the middle of a response"
    );

    pieces.send("two".into()).unwrap();
    read_chunk(&mut user, "two").await;
    drop(pieces);
    within_deadline("the drain to end", draining)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn leaving_client_does_not_block_a_drain() {
    let (clone, mut started, _finish) = held_clone().await;
    let front = balance(&[clone.addr]).await;
    let url = front.url("/");
    let user = tokio::spawn(async move { client().get(url).send().await });
    within_deadline("the request to start", started.recv()).await;

    user.abort();

    within_deadline(
        "the drain of a clone whose client has left",
        front.balancer.drain("clone-1"),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn replacing_all_clones_fails_no_request() {
    let mut running = vec![
        clone("clone-1").await,
        clone("clone-2").await,
        clone("clone-3").await,
    ];
    let addrs: Vec<_> = running.iter().map(|clone| clone.addr).collect();
    let front = balance(&addrs).await;
    let (answered, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let enough = Arc::new(AtomicBool::new(false));
    let mut users = JoinSet::new();
    for _ in 0..4 {
        let (answered, failed, enough) = (
            Arc::clone(&answered),
            Arc::clone(&failed),
            Arc::clone(&enough),
        );
        let (client, url) = (client(), front.url("/login"));
        users.spawn(async move {
            while !enough.load(Ordering::SeqCst) {
                // A POST, which the balancer must not retry after it was sent.
                let answer = client
                    .post(&url)
                    .json(&serde_json::json!({ "user": "ada" }))
                    .send()
                    .await;
                let is_ok = answer.is_ok_and(|answer| answer.status() == StatusCode::OK);
                failed.fetch_add(usize::from(!is_ok), Ordering::SeqCst);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    for n in 1..=3 {
        let goal = answered.load(Ordering::SeqCst) + 40;
        until("the users' requests to get responses", async || {
            answered.load(Ordering::SeqCst) >= goal
        })
        .await;
        let (old, new) = (format!("clone-{n}"), format!("clone-{n}-v2"));
        running.push(clone(&new).await);
        front
            .balancer
            .add(Upstream::new(&new, running.last().unwrap().addr))
            .unwrap();
        front.balancer.drain(&old).await.unwrap();
        front.balancer.remove(&old).unwrap();
        running.remove(0).stop().await;
    }
    enough.store(true, Ordering::SeqCst);
    users.join_all().await;

    let failed = failed.load(Ordering::SeqCst);
    assert_eq!(
        failed, 0,
        "{failed} requests failed: did they reach a clone that was stopping?"
    );
    let names: Vec<String> = front
        .balancer
        .status()
        .into_iter()
        .map(|status| status.name)
        .collect();
    assert_eq!(names, ["clone-1-v2", "clone-2-v2", "clone-3-v2"]);
}

#[tokio::test]
async fn taken_and_unknown_names_are_refused() {
    let clone = clone("clone-1").await;
    let front = balance(&[clone.addr]).await;
    let taken = front
        .balancer
        .add(Upstream::new("clone-1", clone.addr))
        .unwrap_err();
    assert_eq!(taken, MembershipError::NameTaken("clone-1".to_owned()));
    let unknown = MembershipError::UnknownName("clone-9".to_owned());
    assert_eq!(front.balancer.drain("clone-9").await.unwrap_err(), unknown);
    assert_eq!(front.balancer.resume("clone-9").unwrap_err(), unknown);
    assert_eq!(front.balancer.remove("clone-9").unwrap_err(), unknown);
}

#[tokio::test]
async fn full_clone_is_503_with_retry_after() {
    let (clone, mut started, finish) = held_clone().await;
    let front = balance_over(|balancer| balancer.with_max_in_flight(2), &[clone.addr]).await;
    let mut users = JoinSet::new();
    for _ in 0..2 {
        let url = front.url("/");
        users.spawn(async move {
            client()
                .get(url)
                .send()
                .await
                .unwrap()
                .text()
                .await
                .unwrap()
        });
        within_deadline("the request to start", started.recv()).await;
    }

    let answer = within_deadline("a refusal at once", client().get(front.url("/")).send())
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "retry-after")),
        (503, "1")
    );

    finish.send(true).unwrap();
    assert_eq!(
        within_deadline("those in flight", users.join_all()).await,
        ["finished", "finished"]
    );
    until("a request to be accepted again", async || {
        client().get(front.url("/")).send().await.unwrap().status() == 200
    })
    .await;
}

#[tokio::test]
async fn sticky_users_lose_sessions_with_their_clone() {
    let mut clones = vec![
        clone("clone-1").await,
        clone("clone-2").await,
        clone("clone-3").await,
    ];
    let addrs: Vec<_> = clones.iter().map(|clone| clone.addr).collect();
    let front = balance_over(
        |balancer| balancer.with_strategy(StrategyName::Sticky.build(0)),
        &addrs,
    )
    .await;
    let mut jars = Vec::new();
    for n in 0..12 {
        let first = client().get(front.url("/")).send().await.unwrap();
        let clone = header(&first, "set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        let session = log_in(&front.url("/login"), &format!("user-{n}"), Some(&clone)).await;
        jars.push(format!("{clone}; {session}"));
    }
    let known = async || {
        let mut known = 0;
        for jar in &jars {
            let answer = client()
                .get(front.url("/me"))
                .header("cookie", jar)
                .send()
                .await
                .unwrap();
            known += usize::from(answer.status() == 200);
        }
        known
    };
    assert_eq!(
        known().await,
        12,
        "each user must come back to the clone that has the session"
    );

    clones.remove(0).stop().await;

    assert_eq!(
        known().await,
        8,
        "a third of the sessions was in the memory of the removed clone"
    );
}
