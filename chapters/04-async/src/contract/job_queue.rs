//! The contract of [`JobQueue`].

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::within_deadline;
use crate::jobs::JobMessage;
use crate::queue::{Delivery, JobQueue};

/// Tests an empty queue through two handles. It leaves the queue empty.
pub async fn job_queue(one: &dyn JobQueue, other: &dyn JobQueue) {
    // The first two tests have a single receiver. With several, a broker may send messages ahead to
    // one of them, and the order of arrival is not the order of publishing.
    messages_arrive_once_and_in_order(other, one).await;
    requeued_message_goes_to_the_back(other, one).await;
    held_message_is_not_delivered_to_others(one, other).await;
    dropped_message_is_delivered_again(one, other).await;
    two_receivers_share_the_messages(one, other).await;
    cancelled_receiver_takes_no_message(one, other).await;
    absent_worker_keeps_no_messages(one, other).await;
}

async fn messages_arrive_once_and_in_order(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 5).await;
    let mut received = Vec::new();
    for _ in &sent {
        let delivery = receive(other).await;
        received.push(delivery.message.clone());
        ack(delivery).await;
    }
    assert_eq!(
        received, sent,
        "a message was lost, changed, or delivered out of order"
    );
    assert_empty(one, other).await;
}

async fn held_message_is_not_delivered_to_others(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 2).await;
    let (first, second) = (receive(one).await, receive(other).await);
    let held = [first.message.clone(), second.message.clone()];
    assert_eq!(
        ids(&held),
        ids(&sent),
        "a message was delivered to two workers at once"
    );
    ack(first).await;
    ack(second).await;
    assert_empty(one, other).await;
}

async fn dropped_message_is_delivered_again(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 3).await;
    drop(receive(one).await);
    // The order depends on when the queue notices that the message was dropped.
    let expected = ids(&sent);
    let received = receive_and_ack(other, sent.len()).await;
    assert_eq!(
        received, expected,
        "the message of a killed worker is lost: was it acknowledged at delivery?"
    );
    assert_empty(one, other).await;
}

async fn requeued_message_goes_to_the_back(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 3).await;
    let failed = receive(other).await.requeue().await;
    failed.expect("a queue may not refuse a confirmed message");
    for expected in [&sent[1], &sent[2], &sent[0]] {
        let delivery = receive(other).await;
        assert_eq!(
            &delivery.message, expected,
            "a failing job keeps the others waiting: was it put at the front?"
        );
        ack(delivery).await;
    }
    assert_empty(one, other).await;
}

async fn two_receivers_share_the_messages(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 10).await;
    let (first, second) = futures_util::join!(receive_and_ack(one, 5), receive_and_ack(other, 5));
    let both: BTreeSet<_> = first.union(&second).copied().collect();
    assert_eq!(both, ids(&sent), "a message was lost, or delivered to both");
    assert_empty(one, other).await;
}

async fn cancelled_receiver_takes_no_message(one: &dyn JobQueue, other: &dyn JobQueue) {
    // The receiver is cancelled at several moments: before its request, while it waits, and perhaps
    // when the message arrives.
    for milliseconds in [0, 1, 3, 10, 30] {
        let cancelled = tokio::time::timeout(Duration::from_millis(milliseconds), one.receive());
        let (cancelled, sent) = futures_util::join!(cancelled, publish(other, 1));
        // If the receiver got the message in time, this drops it.
        drop(cancelled);
        let received = receive_and_ack(other, 1).await;
        assert_eq!(
            received,
            ids(&sent),
            "the message went to a receiver that had stopped waiting"
        );
    }
    assert_empty(one, other).await;
}

async fn absent_worker_keeps_no_messages(one: &dyn JobQueue, other: &dyn JobQueue) {
    publish(one, 1).await;
    ack(receive(one).await).await;
    // The first worker does not call `receive` again.
    let sent = publish(other, 3).await;
    let received = receive_and_ack(other, 3).await;
    assert_eq!(
        received,
        ids(&sent),
        "a prefetched message waits at a worker that does not receive any more"
    );
    assert_empty(one, other).await;
}

/// A message that is published now must be the next one delivered.
async fn assert_empty(one: &dyn JobQueue, other: &dyn JobQueue) {
    let last = publish(one, 1).await;
    let delivery = receive(other).await;
    assert_eq!(
        delivery.message, last[0],
        "an acknowledged message was delivered again"
    );
    ack(delivery).await;
}

async fn publish(queue: &dyn JobQueue, count: usize) -> Vec<JobMessage> {
    let mut sent = Vec::new();
    for _ in 0..count {
        let message = JobMessage {
            id: Uuid::now_v7(),
            job: "order-export".to_owned(),
            customer: "Ada Łovelace \"ada\"\n".to_owned(),
        };
        within_deadline(queue.publish(&message), "is the message confirmed?")
            .await
            .expect("the queue should accept a message");
        sent.push(message);
    }
    sent
}

async fn receive(queue: &dyn JobQueue) -> Delivery<JobMessage> {
    let hint = "does another consumer hold the message?";
    let delivery = within_deadline(queue.receive(), hint).await;
    delivery.expect("the queue should deliver a message")
}

async fn ack(delivery: Delivery<JobMessage>) {
    delivery
        .ack()
        .await
        .expect("the queue should accept an acknowledgement");
}

/// Receives and acknowledges `count` messages, and returns their ids.
async fn receive_and_ack(queue: &dyn JobQueue, count: usize) -> BTreeSet<Uuid> {
    let mut received = BTreeSet::new();
    for _ in 0..count {
        let delivery = receive(queue).await;
        received.insert(delivery.message.id);
        ack(delivery).await;
    }
    received
}

fn ids(messages: &[JobMessage]) -> BTreeSet<Uuid> {
    messages.iter().map(|message| message.id).collect()
}
