//! What every [`JobQueue`] has to keep.

use std::collections::BTreeSet;
use std::time::Duration;

use uuid::Uuid;

use super::soon;
use crate::job::JobMessage;
use crate::queue::{Delivery, JobQueue};

/// Judges a queue, which is empty before and after, through two handles.
pub async fn queue(one: &dyn JobQueue, other: &dyn JobQueue) {
    // The first two have a single receiver. Where several take part, a broker may have sent one of them a message already, and the order
    // in which messages *arrive* is no longer that in which they were sent.
    what_was_confirmed_is_delivered_once_and_in_order(other, one).await;
    a_requeued_message_goes_behind_all_others(other, one).await;
    a_message_in_hand_is_not_given_to_others(one, other).await;
    a_dropped_message_comes_again(one, other).await;
    two_receivers_share_the_work(one, other).await;
    a_receiver_that_gives_up_takes_nothing_along(one, other).await;
    a_worker_that_does_not_come_back_keeps_nothing(one, other).await;
}

async fn what_was_confirmed_is_delivered_once_and_in_order(
    one: &dyn JobQueue,
    other: &dyn JobQueue,
) {
    let sent = publish(one, 5).await;
    let mut received = Vec::new();
    for _ in &sent {
        let delivery = receive(other).await;
        received.push(delivery.message.clone());
        ack(delivery).await;
    }
    assert_eq!(
        received, sent,
        "lost, changed on the way, or not in the order of publishing"
    );
    is_empty(one, other).await;
}

async fn a_message_in_hand_is_not_given_to_others(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 2).await;
    let (mine, theirs) = (receive(one).await, receive(other).await);
    let in_hand = [mine.message.clone(), theirs.message.clone()];
    assert_eq!(
        ids(&in_hand),
        ids(&sent),
        "a message was given to two workers at once"
    );
    ack(mine).await;
    ack(theirs).await;
    is_empty(one, other).await;
}

async fn a_dropped_message_comes_again(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 3).await;
    drop(receive(one).await);
    // How soon, before or after those behind it, depends on when the queue notices.
    let expected = ids(&sent);
    let received = receive_and_ack(other, sent.len()).await;
    assert_eq!(
        received, expected,
        "a worker was killed with a message in its hands, and the message is gone"
    );
    is_empty(one, other).await;
}

async fn a_requeued_message_goes_behind_all_others(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 3).await;
    let failed = receive(other).await.requeue().await;
    failed.expect("a message that was confirmed once may not be refused");
    for expected in [&sent[1], &sent[2], &sent[0]] {
        let delivery = receive(other).await;
        assert_eq!(
            &delivery.message, expected,
            "a job that fails keeps the others waiting: was it put at the front?"
        );
        ack(delivery).await;
    }
    is_empty(one, other).await;
}

async fn two_receivers_share_the_work(one: &dyn JobQueue, other: &dyn JobQueue) {
    let sent = publish(one, 10).await;
    let (mine, theirs) = futures_util::join!(receive_and_ack(one, 5), receive_and_ack(other, 5));
    let both: BTreeSet<_> = mine.union(&theirs).copied().collect();
    assert_eq!(both, ids(&sent), "a message was lost, or given to both");
    is_empty(one, other).await;
}

async fn a_receiver_that_gives_up_takes_nothing_along(one: &dyn JobQueue, other: &dyn JobQueue) {
    // Given up at several moments on the way: before it has asked, while it waits, and perhaps just when the message comes.
    for milliseconds in [0, 1, 3, 10, 30] {
        let given_up = tokio::time::timeout(Duration::from_millis(milliseconds), one.receive());
        let (given_up, sent) = futures_util::join!(given_up, publish(other, 1));
        // Either it was in time and drops the message here, or it was not.
        drop(given_up);
        let received = receive_and_ack(other, 1).await;
        assert_eq!(
            received,
            ids(&sent),
            "the message went to a worker that had stopped waiting"
        );
    }
    is_empty(one, other).await;
}

async fn a_worker_that_does_not_come_back_keeps_nothing(one: &dyn JobQueue, other: &dyn JobQueue) {
    publish(one, 1).await;
    ack(receive(one).await).await;
    // From here on the first worker does something else.
    let sent = publish(other, 3).await;
    let received = receive_and_ack(other, 3).await;
    assert_eq!(
        received,
        ids(&sent),
        "a message waits in the pocket of a worker that is not there"
    );
    is_empty(one, other).await;
}

/// A message that is published now is the next to come, so nothing else was left.
async fn is_empty(one: &dyn JobQueue, other: &dyn JobQueue) {
    let last = publish(one, 1).await;
    let delivery = receive(other).await;
    assert_eq!(
        delivery.message, last[0],
        "an acknowledged message came again"
    );
    ack(delivery).await;
}

async fn publish(queue: &dyn JobQueue, count: usize) -> Vec<JobMessage> {
    let mut sent = Vec::new();
    for _ in 0..count {
        let message = JobMessage {
            id: Uuid::now_v7(),
            job: "bake-cake".to_owned(),
            customer: "Ada Łovelace \"ada\"\n".to_owned(),
        };
        soon(queue.publish(&message), "is the message confirmed?")
            .await
            .expect("the queue takes a message");
        sent.push(message);
    }
    sent
}

async fn receive(queue: &dyn JobQueue) -> Delivery {
    let delivery = soon(queue.receive(), "is somebody else holding the message?").await;
    delivery.expect("the queue delivers")
}

async fn ack(delivery: Delivery) {
    delivery
        .ack()
        .await
        .expect("the queue takes an acknowledgement");
}

/// The ids of this many messages, each acknowledged as soon as it came.
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
