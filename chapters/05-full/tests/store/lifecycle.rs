//! The program from its start to its end, kill -9 included: what it keeps, what it prints, how it stops.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ch05_full::commands::serve::single_process::STOP_TIMEOUT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::program::{Process, assert_refused, paste, run, run_unread};
use crate::support::{poll_until, send};

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_during_orders_loses_none_that_was_acknowledged_and_doubles_none() {
    let dir = tempfile::tempdir().unwrap();
    // What the store has acknowledged, by idempotency key; and the game of every order that was ever sent.
    let acknowledged = Mutex::new(BTreeMap::<String, Value>::new());
    let sent = Mutex::new(BTreeMap::<String, i64>::new());
    for round in 0..3 {
        let mut process = Process::start(dir.path());
        let ada = process.client();
        ada.login("ada").await;
        let already = acknowledged.lock().unwrap().len();
        let over = AtomicBool::new(false);
        let shoppers = (0..8).map(|shopper| {
            let (ada, acknowledged, sent, over) = (&ada, &acknowledged, &sent, &over);
            async move {
                for n in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let (key, game) = (format!("{round}-{shopper}-{n}"), n % 60 + 1);
                    sent.lock().unwrap().insert(key.clone(), game);
                    let body = json!({ "game_id": game, "quantity": 1 });
                    let request = ada
                        .request(Method::POST, "/orders")
                        .header("idempotency-key", &key)
                        .json(&body);
                    // After the kill there is no answer, or half of one.
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
                (acknowledged.lock().unwrap().len() >= already + 100).then_some(())
            })
            .await;
            process.child.kill().unwrap();
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(futures_util::future::join_all(shoppers), killer);
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
            "the acknowledged order {order} of {key} is lost"
        );
        assert_eq!(&found.json(), order);
    }
    // Every shopper who did not hear an answer sends the order again, and so do those who did.
    for (key, game) in &sent {
        let again = ada.order(*game, 1, key).await;
        assert_eq!(again.status, StatusCode::CREATED, "{}", again.body);
        if let Some(order) = acknowledged.get(key) {
            assert_eq!(&again.json(), order, "the key {key} made a second order");
        }
    }
    assert_eq!(
        ada.all_orders().await.len(),
        sent.len(),
        "one order for each key, whatever was killed when"
    );
}

#[tokio::test]
async fn a_second_start_finds_orders_jobs_sessions_and_prices() {
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
    let visitor = second.client();
    let ada =
        async |path: &str| send(visitor.request(Method::GET, path).header("cookie", &cookie)).await;

    assert_eq!(
        ada("/me").await.json(),
        json!({ "user": "ada" }),
        "the login is gone"
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
async fn a_stop_signal_ends_it_in_time_and_with_exit_code_0() {
    for signal in ["INT", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(dir.path());
        let ada = process.client();
        ada.login("ada").await;
        // An answer that would go on for a while, an idle connection, and half a request.
        // Two jobs that compute, one for each worker, and one more that waits.
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
        // The endless answer was brought to an end, not cut off.
        while let Some(_event) = events
            .chunk()
            .await
            .expect("the answer breaks off in the middle")
        {}
        // The bound is the store's own deadline with a second for the process to come and go; nothing here has to be fast.
        let took = begin.elapsed();
        assert!(
            took < STOP_TIMEOUT + std::time::Duration::from_secs(1),
            "SIG{signal} took {took:?}"
        );
    }
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let ada = process.client();
    ada.login("ada").await;
    // Half of an order is here when the signal comes; the other half follows after it.
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
        "POST /orders HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\nidempotency-key: key\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{first}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    // The request has arrived when a clone has been asked: nothing tells us but a later request on the same path through it.
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
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test]
async fn every_line_of_the_tour_works_when_it_is_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path());
    let printed = process.tour();
    assert!(
        printed.len() < 30,
        "{} lines are too many to read",
        printed.len()
    );
    paste(&printed);
}

/// The book shows the tour. `UPDATE_BOOK=1 cargo test -p ch05-full the_book` writes it anew.
#[tokio::test]
async fn the_book_shows_the_tour_as_it_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(dir.path());
    let mut printed = vec![process.url.clone()];
    printed.extend(process.tour());
    let address = process.url.trim_start_matches("http://");
    let mut shown = printed.join("\n").replace(address, "127.0.0.1:8080");
    shown = shown.replace(
        dir.path().to_str().unwrap(),
        "/home/you/.local/share/scalability-workshop",
    );
    // The clones take whatever ports are free.
    let (before, clones) = shown.split_once("clone-1 ").unwrap();
    let (_, after) = clones.split_once(" (ports)").unwrap();
    shown = format!("{before}clone-1 40001, clone-2 40002, clone-3 40003 (ports){after}\n");

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../book/src/sessions/serve.txt");
    if std::env::var_os("UPDATE_BOOK").is_some() {
        std::fs::write(&page, &shown).unwrap();
    }
    let in_the_book = std::fs::read_to_string(&page)
        .unwrap_or_default()
        .replace("\r\n", "\n");
    assert_eq!(
        in_the_book, shown,
        "run this test with UPDATE_BOOK=1 to bring the book up to date"
    );
}

#[tokio::test]
async fn inspect_shows_clones_and_shards_of_a_running_store_and_shards_of_a_stopped_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let process = Process::start(dir.path());
    process.client().get("/whoami").await;
    for arguments in [
        ["inspect", "--data-dir", path],
        ["inspect", "--url", &process.url],
    ] {
        let shown = String::from_utf8(run(&arguments).stdout).unwrap();
        for part in [
            "running at http://",
            "clone-1",
            "clone-2",
            "clone-3",
            "shard-0",
            "shard-3",
            "1000",
        ] {
            assert!(
                shown.contains(part),
                "{arguments:?} does not show {part}: {shown}"
            );
        }
    }
    drop(process);
    let shown = String::from_utf8(run(&["inspect", "--data-dir", path]).stdout).unwrap();
    assert!(
        shown.contains("not running") && shown.contains("shard-3"),
        "{shown}"
    );
    // Looking at a store must not keep it from starting again.
    Process::start(dir.path());
}

/// As in `… inspect | head -1`.
#[tokio::test]
async fn who_stops_reading_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    for command in [&["inspect"][..], &["load", "--games", "60"]] {
        let complaints = run_unread(&[command, &["--url", &process.url]].concat());
        assert_eq!(
            complaints, "",
            "{command:?} complains to a person who has read enough"
        );
    }
}

#[tokio::test]
async fn a_load_is_measured_with_and_without_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let load = [
        "load",
        "--url",
        &process.url,
        "--games",
        "60",
        "--rounds",
        "1",
        "--seconds",
        "1",
        "--connections",
        "2",
    ];
    let output = run(&load);
    let (shown, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(
        output.status.success() && shown.contains("requests/s with the cache over without"),
        "{shown}{said}"
    );
    // More games than the store has: 404s are not a result.
    assert_refused(
        &run(&[
            "load",
            "--url",
            &process.url,
            "--games",
            "61",
            "--seconds",
            "1",
        ]),
        "were not 200",
    );
    assert_refused(
        &run(&["load", "--url", "http://192.0.2.1:80", "--seconds", "1"]),
        "this machine",
    );
}
