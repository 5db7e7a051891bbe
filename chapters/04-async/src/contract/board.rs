//! What every [`JobBoard`] has to keep.

use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::soon;
use crate::board::{JobBoard, JobUpdate};
use crate::job::{Job, JobMessage, JobState};

/// Judges a board without unfinished jobs, through two handles. It leaves jobs of its own behind, all final.
pub async fn board(one: &dyn JobBoard, other: &dyn JobBoard) {
    an_opened_job_is_there_for_everybody(one, other).await;
    every_update_is_a_step_of_the_job(one, other).await;
    a_final_record_never_changes(one, other).await;
    an_update_of_an_unknown_job_makes_none(one).await;
    the_unfinished_jobs_come_oldest_first(one, other).await;
    no_update_is_lost_when_two_write_at_once(one, other).await;
    a_change_is_heard_by_everybody(one, other).await;
}

async fn an_opened_job_is_there_for_everybody(one: &dyn JobBoard, other: &dyn JobBoard) {
    let message = message();
    let opened = one.open(&message).await.expect("the board opens a job");
    assert_eq!(opened, Job::queued(&message));
    assert_eq!(
        get(other, message.id).await,
        Some(opened),
        "durable when `open` returns, for others too"
    );
    finish(one, message.id).await;
}

async fn every_update_is_a_step_of_the_job(one: &dyn JobBoard, other: &dyn JobBoard) {
    let message = message();
    let mut expected = one.open(&message).await.expect("the board opens a job");
    // Text in which a database, or the way there, might stumble over something.
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
        assert_eq!(updated.as_ref(), Some(&expected), "returned after {step:?}");
        let stored = get(other, message.id).await;
        assert_eq!(stored.as_ref(), Some(&expected), "stored after {step:?}");
    }
}

async fn a_final_record_never_changes(one: &dyn JobBoard, other: &dyn JobBoard) {
    for last in [
        JobUpdate::Done(json!("a cake")),
        JobUpdate::Dead("no flour".to_owned()),
    ] {
        let message = message();
        one.open(&message).await.expect("the board opens a job");
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
                "{late:?} came after the end, from a worker that was given up for dead"
            );
        }
        assert_eq!(get(one, message.id).await, ended);
    }
}

async fn an_update_of_an_unknown_job_makes_none(one: &dyn JobBoard) {
    let nobody = Uuid::now_v7();
    assert_eq!(update(one, nobody, JobUpdate::Started).await, None);
    assert_eq!(get(one, nobody).await, None);
}

async fn the_unfinished_jobs_come_oldest_first(one: &dyn JobBoard, other: &dyn JobBoard) {
    let messages: Vec<_> = (0..5).map(|_| message()).collect();
    // Not in the order of their age: the order is by when a job was made, not by when its row was written.
    for at in [3, 0, 4, 1, 2] {
        one.open(&messages[at])
            .await
            .expect("the board opens a job");
    }
    update(one, messages[1].id, JobUpdate::Started).await;
    update(one, messages[2].id, JobUpdate::Failed("once".to_owned())).await;
    update(one, messages[3].id, JobUpdate::Dead("for good".to_owned())).await;
    update(one, messages[4].id, JobUpdate::Done(json!(1))).await;
    let unfinished = other.unfinished().await.expect("the board lists its jobs");
    assert_eq!(
        unfinished,
        messages[..3],
        "queued, running and failed ones, oldest first"
    );
    for message in unfinished {
        finish(one, message.id).await;
    }
}

async fn no_update_is_lost_when_two_write_at_once(one: &dyn JobBoard, other: &dyn JobBoard) {
    const EACH: u32 = 10;
    let message = message();
    one.open(&message).await.expect("the board opens a job");
    let start = async |board: &dyn JobBoard| {
        for _ in 0..EACH {
            update(board, message.id, JobUpdate::Started).await;
        }
    };
    futures_util::join!(start(one), start(other));
    let job = get(one, message.id).await.expect("the job is there");
    assert_eq!(
        job.attempts,
        2 * EACH,
        "two processes read the same record, and one wrote over what the other had written"
    );
    finish(one, message.id).await;
}

async fn a_change_is_heard_by_everybody(one: &dyn JobBoard, other: &dyn JobBoard) {
    let (mut here, mut there) = (one.changes(), other.changes());
    let message = message();
    one.open(&message).await.expect("the board opens a job");
    for step in [JobUpdate::Started, JobUpdate::Done(json!("a cake"))] {
        heard(&mut here, message.id).await;
        heard(&mut there, message.id).await;
        update(one, message.id, step).await;
    }
    heard(&mut here, message.id).await;
    heard(&mut there, message.id).await;
    // Whoever looks after the last change was told sees the end.
    let state = get(other, message.id).await.map(|job| job.state);
    assert_eq!(
        state,
        Some(JobState::Done),
        "told before it was there to be seen"
    );
}

/// Waits until a change of this job is told. Others may be told too.
async fn heard(changes: &mut Receiver<Uuid>, id: Uuid) {
    let told = async {
        loop {
            match changes.recv().await {
                Ok(other) if other != id => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => panic!("the board tells no changes any more"),
            }
        }
    };
    soon(told, "a change was not told to a listener").await;
}

fn message() -> JobMessage {
    JobMessage {
        id: Uuid::now_v7(),
        job: "bake-cake".to_owned(),
        customer: "Ada \"Łovelace\"; --".to_owned(),
    }
}

async fn get(board: &dyn JobBoard, id: Uuid) -> Option<Job> {
    board.get(id).await.expect("the board answers")
}

async fn update(board: &dyn JobBoard, id: Uuid, update: JobUpdate) -> Option<Job> {
    board
        .update(id, update)
        .await
        .expect("the board takes an update")
}

async fn finish(board: &dyn JobBoard, id: Uuid) {
    update(board, id, JobUpdate::Done(json!(null))).await;
}
