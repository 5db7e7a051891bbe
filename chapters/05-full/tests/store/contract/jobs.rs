//! Jobs: submitted, confirmed, followed to their end.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::start;
use crate::support::send;

#[tokio::test]
async fn job_is_accepted_at_once_and_done_later() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let order = ada.order(7, 2, "key").await.json();

    let accepted = send(ada.request(Method::POST, "/work?job=order-export")).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let job = accepted.json();
    assert_eq!(
        accepted.location(),
        format!("/jobs/{}", job["id"].as_str().unwrap())
    );
    assert_eq!(
        (&job["job"], &job["state"]),
        (&json!("order-export"), &json!("queued"))
    );

    let done = ada.finished_job(accepted.location()).await;
    assert_eq!(
        (&done["state"], &done["progress"], &done["attempts"]),
        (&json!("done"), &json!(100), &json!(1))
    );
    assert_eq!(done["result"]["orders"], 1);
    let csv = done["result"]["csv"].as_str().unwrap();
    assert!(
        csv.contains(&format!("{},7,2,{}", order["id"], order["total_cents"])),
        "{csv}"
    );
}

#[tokio::test]
async fn events_follow_a_job_to_its_end() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let accepted = send(ada.request(Method::POST, "/work?job=trailer-transcode")).await;

    // The stream must end with the job. Otherwise this read times out.
    let stream = ada.get(&format!("{}/events", accepted.location())).await;

    assert_eq!(stream.header("content-type"), "text/event-stream");
    let jobs = events(&stream.body);
    let progress: Vec<_> = jobs
        .iter()
        .map(|job| job["progress"].as_u64().unwrap())
        .collect();
    assert!(
        progress.is_sorted(),
        "progress went backwards: {progress:?}"
    );
    let last = jobs.last().expect("the stream has no event");
    assert_eq!(
        (&last["state"], &last["progress"]),
        (&json!("done"), &json!(100))
    );
    assert!(
        last["result"]["renditions"]["180p"]["bytes"]
            .as_u64()
            .unwrap()
            > 0
    );

    let late = ada.get(&format!("{}/events", accepted.location())).await;
    assert_eq!(
        events(&late.body).len(),
        1,
        "the stream of a finished job must have one event"
    );
}

#[tokio::test]
async fn events_stream_while_the_job_runs() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let accepted = send(ada.request(Method::POST, "/work?job=doSomething")).await;
    let mut stream = ada
        .request(Method::GET, &format!("{}/events", accepted.location()))
        .send()
        .await
        .unwrap();

    // If a proxy buffered the stream, the first chunk would contain the last event too.
    let first = stream
        .chunk()
        .await
        .unwrap()
        .expect("the stream has no event");
    let first = events(std::str::from_utf8(&first).unwrap());
    assert!(
        first.iter().all(|job| job["state"] != "done"),
        "the events were buffered: {first:?}"
    );
}

#[tokio::test]
async fn job_is_visible_to_its_customer_only() {
    let store = start().await;
    let (ada, bob) = (store.customer("ada").await, store.customer("bob").await);
    let accepted = send(ada.request(Method::POST, "/work?job=order-export")).await;
    for path in [
        accepted.location().to_owned(),
        format!("{}/events", accepted.location()),
    ] {
        bob.get(&path).await.problem(404);
        store.anonymous_client().get(&path).await.problem(401);
    }
}

#[tokio::test]
async fn browser_is_redirected_to_its_job_page() {
    let store = start().await;
    let browser = store.customer("ada").await;
    let sent_on = browser.submit_form("/work?job=order-export", &[]).await;
    assert_eq!(sent_on.status.as_u16(), 303);
    let page = browser.get_html(sent_on.location()).await.body;
    assert!(page.contains("<progress"), "{page}");
    browser.finished_job(sent_on.location()).await;
    let page = browser.get_html(sent_on.location()).await.body;
    assert!(
        page.contains("id,game_id,quantity"),
        "the page does not show the result: {page}"
    );
}

#[tokio::test]
async fn every_job_is_done_once() {
    let store = start().await;
    let ada = store.customer("ada").await;
    let mut paths = BTreeSet::new();
    for _ in 0..50 {
        let accepted = send(ada.request(Method::POST, "/work?job=order-export")).await;
        assert!(
            paths.insert(accepted.location().to_owned()),
            "two jobs have the same id"
        );
    }
    for path in paths {
        let job = ada.finished_job(&path).await;
        assert_eq!(
            (&job["state"], &job["attempts"]),
            (&json!("done"), &json!(1)),
            "{job}"
        );
    }
}

/// The data of all `job` events in this text.
fn events(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("event: job\ndata: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}
