//! The program from start to stop: what survives `kill -9` and a restart, and how it stops.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ch05_full::commands::serve::single_process::STOP_TIMEOUT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::program::Process;
use crate::support::{poll_until, send};

#[tokio::test(flavor = "multi_thread")]
async fn killed_store_loses_and_doubles_no_order() {
    let dir = tempfile::tempdir().unwrap();
    // The acknowledged orders by idempotency key, and the game of every order that was sent.
    let acknowledged = Mutex::new(BTreeMap::<String, Value>::new());
    let sent = Mutex::new(BTreeMap::<String, i64>::new());
    for round in 0..3 {
        let mut process = Process::start(dir.path());
        let ada = process.client();
        ada.login("ada").await;
        let count_before = acknowledged.lock().unwrap().len();
        let is_over = AtomicBool::new(false);
        let clients = (0..8).map(|client| {
            let (ada, acknowledged, sent, is_over) = (&ada, &acknowledged, &sent, &is_over);
            async move {
                for n in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let (key, game) = (format!("{round}-{client}-{n}"), n % 60 + 1);
                    sent.lock().unwrap().insert(key.clone(), game);
                    let body = json!({ "game_id": game, "quantity": 1 });
                    let request = ada
                        .request(Method::POST, "/orders")
                        .header("idempotency-key", &key)
                        .json(&body);
                    // After the kill there is no response, or a part of one.
                    let Ok(response) = request.send().await else {
                        continue;
                    };
                    if response.status() != StatusCode::CREATED {
                        continue;
                    }
                    let Ok(order) = response.json::<Value>().await else {
                        continue;
                    };
                    acknowledged.lock().unwrap().insert(key, order);
                }
            }
        });
        let killer = async {
            poll_until(async || {
                (acknowledged.lock().unwrap().len() >= count_before + 100).then_some(())
            })
            .await;
            process.child.kill().unwrap();
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(futures_util::future::join_all(clients), killer);
    }

    let process = Process::start(dir.path());
    let ada = process.client();
    ada.login("ada").await;
    let (acknowledged, sent) = (
        acknowledged.into_inner().unwrap(),
        sent.into_inner().unwrap(),
    );
    for (key, order) in &acknowledged {
        let found = ada.get(&format!("/orders/{}", order["id"])).await;
        assert_eq!(
            found.status,
            StatusCode::OK,
            "the acknowledged order {order} with the key {key} is lost"
        );
        assert_eq!(&found.json(), order);
    }
    // The clients send every order again, also the acknowledged ones.
    for (key, game) in &sent {
        let retried = ada.order(*game, 1, key).await;
        assert_eq!(retried.status, StatusCode::CREATED, "{}", retried.body);
        if let Some(order) = acknowledged.get(key) {
            assert_eq!(&retried.json(), order, "the key {key} made a second order");
        }
    }
    assert_eq!(
        ada.all_orders().await.len(),
        sent.len(),
        "the number of orders differs from the number of keys"
    );
}

#[tokio::test]
async fn restart_keeps_orders_jobs_sessions_and_prices() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path());
    let ada = first.client();
    let login = ada.post("/login", json!({ "user": "ada" })).await;
    let cookie = login
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let order = ada.order(7, 1, "key").await.json();
    ada.set_price(7, 4_242).await;
    let job = send(ada.request(Method::POST, "/work?job=order-export"))
        .await
        .location()
        .to_owned();
    let job_before = ada.finished_job(&job).await;
    let unfinished = send(ada.request(Method::POST, "/work?job=trailer-transcode"))
        .await
        .location()
        .to_owned();
    drop(first);

    let second = Process::start(dir.path());
    let client = second.client();
    let ada =
        async |path: &str| send(client.request(Method::GET, path).header("cookie", &cookie)).await;

    assert_eq!(
        ada("/me").await.json(),
        json!({ "user": "ada" }),
        "the session is lost"
    );
    assert_eq!(ada("/orders").await.json()["items"], json!([order]));
    assert_eq!(ada("/games/7").await.json()["price_cents"], 4_242);
    assert_eq!(ada(&job).await.json(), job_before);
    poll_until(async || (ada(&unfinished).await.json()["state"] == "done").then_some(())).await;
    let page = ada("/static/games/7.html").await;
    assert!(
        page.body.contains("42.42"),
        "the {} page shows the old price",
        page.header("x-rendered")
    );
}

#[tokio::test]
async fn stop_signal_ends_the_store_in_time() {
    for signal in ["INT", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(dir.path());
        let ada = process.client();
        ada.login("ada").await;
        // A job for each worker, a waiting job, an event stream, an idle connection and half a
        // request.
        for _ in 0..2 {
            send(ada.request(Method::POST, "/work?job=trailer-transcode")).await;
        }
        let job = send(ada.request(Method::POST, "/work?job=doSomething")).await;
        let mut events = ada
            .request(Method::GET, &format!("{}/events", job.location()))
            .send()
            .await
            .unwrap();
        events.chunk().await.unwrap();
        let address = process.url.trim_start_matches("http://").to_owned();
        let _idle = tokio::net::TcpStream::connect(&address).await.unwrap();
        let mut half = tokio::net::TcpStream::connect(&address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut half, b"GET / HT")
            .await
            .unwrap();

        let begin = Instant::now();
        let status = process.stop(signal);

        assert_eq!(status.code(), Some(0), "SIG{signal}: {status}");
        // The event stream must end normally.
        while let Some(_event) = events
            .chunk()
            .await
            .expect("the store broke off the event stream")
        {}
        // The store's own time-out, and a second for the end of the process.
        let took = begin.elapsed();
        assert!(
            took < STOP_TIMEOUT + std::time::Duration::from_secs(1),
            "SIG{signal} took {took:?}"
        );
    }
}

#[tokio::test]
async fn request_in_flight_finishes_before_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let ada = process.client();
    ada.login("ada").await;
    // Half of the request arrives before the signal, the other half after it.
    let address = process.url.trim_start_matches("http://").to_owned();
    let login = ada.post("/login", json!({ "user": "ada" })).await;
    let cookie = login
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let body = r#"{"game_id":7,"quantity":1}"#;
    let (first, second) = body.split_at(10);
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\nidempotency-key: key\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    // A later request that gets a response shows that the balancer has accepted the first one.
    poll_until(async || ada.get("/healthz").await.status.is_success().then_some(())).await;
    process.signal("TERM");
    poll_until(async || {
        tokio::net::TcpStream::connect(&address)
            .await
            .is_err()
            .then_some(())
    })
    .await;

    tokio::io::AsyncWriteExt::write_all(&mut stream, second.as_bytes())
        .await
        .unwrap();
    let mut response = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut response)
        .await
        .unwrap();
    assert!(
        response.starts_with("HTTP/1.1 201 "),
        "the request in flight was not finished: {response}"
    );
}
