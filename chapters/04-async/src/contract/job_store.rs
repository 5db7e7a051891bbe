//! The contract of [`JobStore`].

use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::within_deadline;
use crate::jobs::{Job, JobMessage, JobState, JobStore, JobUpdate};

/// Tests a job store without unfinished jobs, through two handles. It leaves final jobs behind.
pub async fn job_store(one: &dyn JobStore, other: &dyn JobStore) {
    created_job_is_visible_to_all(one, other).await;
    updates_are_applied_in_order(one, other).await;
    final_record_never_changes(one, other).await;
    update_of_unknown_job_creates_none(one).await;
    unfinished_jobs_are_listed_oldest_first(one, other).await;
    concurrent_updates_are_not_lost(one, other).await;
    changes_are_reported_to_all(one, other).await;
}

async fn created_job_is_visible_to_all(one: &dyn JobStore, other: &dyn JobStore) {
    let message = message();
    let created = create(one, &message).await;
    assert_eq!(created, Job::queued(&message));
    assert_eq!(
        get(other, message.id).await,
        Some(created),
        "the record must be durable and visible to others when `create` returns"
    );
    finish(one, message.id).await;
}

async fn updates_are_applied_in_order(one: &dyn JobStore, other: &dyn JobStore) {
    let message = message();
    let mut expected = create(one, &message).await;
    // Text that a database or a driver might store wrongly.
    let result = json!({ "csv": "a,b\r\n\"Łódź\",'; --\u{0}", "big": u64::MAX, "small": 0.1, "none": null, "list": [] });
    let life = [
        JobUpdate::Started,
        JobUpdate::Progress(50),
        JobUpdate::Interrupted,
        JobUpdate::Started,
        JobUpdate::Progress(100),
        JobUpdate::Failed("the disk is full".to_owned()),
        JobUpdate::Started,
        JobUpdate::Done(result),
    ];
    for step in life {
        expected.apply(step.clone());
        let updated = update(one, message.id, step.clone()).await;
        assert_eq!(
            updated.as_ref(),
            Some(&expected),
            "`update` returned a wrong record after {step:?}"
        );
        let stored = get(other, message.id).await;
        assert_eq!(
            stored.as_ref(),
            Some(&expected),
            "the store has a wrong record after {step:?}"
        );
    }
}

async fn final_record_never_changes(one: &dyn JobStore, other: &dyn JobStore) {
    for last in [
        JobUpdate::Done(json!("orders.csv")),
        JobUpdate::Dead("no such customer".to_owned()),
    ] {
        let message = message();
        create(one, &message).await;
        let ended = update(one, message.id, last).await;
        for late in [
            JobUpdate::Started,
            JobUpdate::Progress(1),
            JobUpdate::Failed("late".to_owned()),
            JobUpdate::Interrupted,
        ] {
            let after = update(other, message.id, late.clone()).await;
            assert_eq!(
                after, ended,
                "a late worker sent {late:?} after the end, and the store must ignore it"
            );
        }
        assert_eq!(get(one, message.id).await, ended);
    }
}

async fn update_of_unknown_job_creates_none(one: &dyn JobStore) {
    let unknown = Uuid::now_v7();
    assert_eq!(update(one, unknown, JobUpdate::Started).await, None);
    assert_eq!(get(one, unknown).await, None);
}

async fn unfinished_jobs_are_listed_oldest_first(one: &dyn JobStore, other: &dyn JobStore) {
    let messages: Vec<_> = (0..5).map(|_| message()).collect();
    // The order depends on the id, which contains the time of creation, not on when a row was
    // written.
    for at in [3, 0, 4, 1, 2] {
        create(one, &messages[at]).await;
    }
    update(one, messages[1].id, JobUpdate::Started).await;
    update(one, messages[2].id, JobUpdate::Failed("once".to_owned())).await;
    update(one, messages[3].id, JobUpdate::Dead("for good".to_owned())).await;
    update(one, messages[4].id, JobUpdate::Done(json!(1))).await;
    let unfinished = other
        .unfinished()
        .await
        .expect("the store should list its jobs");
    assert_eq!(
        unfinished,
        messages[..3],
        "queued, running and failed jobs, oldest first"
    );
    for message in unfinished {
        finish(one, message.id).await;
    }
}

async fn concurrent_updates_are_not_lost(one: &dyn JobStore, other: &dyn JobStore) {
    const EACH: u32 = 10;
    let message = message();
    create(one, &message).await;
    let start = async |store: &dyn JobStore| {
        for _ in 0..EACH {
            update(store, message.id, JobUpdate::Started).await;
        }
    };
    futures_util::join!(start(one), start(other));
    let job = get(one, message.id)
        .await
        .expect("the job should have a record");
    assert_eq!(
        job.attempts,
        2 * EACH,
        "an update was lost: is the record locked between reading and writing?"
    );
    finish(one, message.id).await;
}

async fn changes_are_reported_to_all(one: &dyn JobStore, other: &dyn JobStore) {
    let (mut changes, mut other_changes) = (one.changes(), other.changes());
    let message = message();
    create(one, &message).await;
    for step in [JobUpdate::Started, JobUpdate::Done(json!("orders.csv"))] {
        wait_for_change(&mut changes, message.id).await;
        wait_for_change(&mut other_changes, message.id).await;
        update(one, message.id, step).await;
    }
    wait_for_change(&mut changes, message.id).await;
    wait_for_change(&mut other_changes, message.id).await;
    // A reader sees the change once it is reported.
    let state = get(other, message.id).await.map(|job| job.state);
    assert_eq!(
        state,
        Some(JobState::Done),
        "the change was reported before it was visible"
    );
}

/// Waits until a change of this job is reported. Changes of other jobs may come first.
async fn wait_for_change(changes: &mut Receiver<Uuid>, id: Uuid) {
    let reported = async {
        loop {
            match changes.recv().await {
                Ok(other) if other != id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => panic!("the store does not report changes any more"),
            }
        }
    };
    within_deadline(reported, "is every change reported to all listeners?").await;
}

fn message() -> JobMessage {
    JobMessage {
        id: Uuid::now_v7(),
        job: "order-export".to_owned(),
        customer: "Ada \"Łovelace\"; --".to_owned(),
    }
}

async fn create(store: &dyn JobStore, message: &JobMessage) -> Job {
    let created = store.create(message).await;
    created.expect("the store should create a record")
}

async fn get(store: &dyn JobStore, id: Uuid) -> Option<Job> {
    let record = store.get(id).await;
    record.expect("the store should return the record")
}

async fn update(store: &dyn JobStore, id: Uuid, update: JobUpdate) -> Option<Job> {
    let updated = store.update(id, update).await;
    updated.expect("the store should accept an update")
}

async fn finish(store: &dyn JobStore, id: Uuid) {
    update(store, id, JobUpdate::Done(json!(null))).await;
}
