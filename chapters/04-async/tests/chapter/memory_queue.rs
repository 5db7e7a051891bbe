//! What the queue in memory promises beyond the contract: an exact order and an exact capacity.

use std::pin::pin;
use std::task::Poll;

use ch04_async::{JobQueue, MemoryQueue, QueueError};
use futures_util::poll;

use crate::support::{message, within_deadline};

#[tokio::test]
async fn dropped_message_is_first_requeued_message_last() {
    let queue = MemoryQueue::new(2);
    let (first, second) = (message("job"), message("job"));
    queue.publish(&first).await.unwrap();
    queue.publish(&second).await.unwrap();

    drop(queue.receive().await.unwrap());
    let redelivered = queue.receive().await.unwrap();
    assert_eq!(
        redelivered.message, first,
        "a dropped message belongs to the front: it has waited longest"
    );
    // The queue is full now. A confirmed message is returned in spite of that.
    queue.publish(&message("job")).await.unwrap();
    redelivered.requeue().await.unwrap();

    assert_eq!(queue.len(), 3);
    let next = queue.receive().await.unwrap();
    assert_eq!(
        next.message, second,
        "a requeued message goes behind the others"
    );
}

#[tokio::test]
async fn restore_ignores_capacity_and_wakes_all_workers() {
    let queue = MemoryQueue::new(1);
    let (mut first, mut second) = (pin!(queue.receive()), pin!(queue.receive()));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let messages = [(); 3].map(|()| message("job"));

    queue.restore(messages.clone());

    let (Poll::Ready(first), Poll::Ready(second)) = (poll!(first), poll!(second)) else {
        panic!("a worker sleeps while a job waits: does the first worker wake the second?");
    };
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        [&first.message, &second.message],
        [&messages[0], &messages[1]]
    );
    assert_eq!(queue.len(), 1);
    let rejected = queue.publish(&message("job")).await;
    assert!(
        matches!(rejected, Err(QueueError::Full(1))),
        "the capacity must still apply to new messages"
    );
}

#[tokio::test]
async fn cancelled_worker_passes_its_wake_up_on() {
    let queue = MemoryQueue::new(10);
    let mut first = Box::pin(queue.receive());
    let mut second = Box::pin(queue.receive());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let sent = message("job");
    queue.publish(&sent).await.unwrap();

    drop(first);

    let Poll::Ready(received) = poll!(&mut second) else {
        panic!("the wake-up was lost with the cancelled worker");
    };
    assert_eq!(received.unwrap().message, sent);
}

#[tokio::test]
async fn full_queue_refuses_messages() {
    let queue = MemoryQueue::new(2);
    for _ in 0..2 {
        queue.publish(&message("job")).await.unwrap();
    }
    assert!(matches!(
        queue.publish(&message("job")).await,
        Err(QueueError::Full(2))
    ));
    assert_eq!(queue.len(), 2);
}

#[tokio::test]
async fn messages_wake_all_waiting_workers() {
    let queue = MemoryQueue::new(100);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move {
                let delivery = queue.receive().await.unwrap();
                let id = delivery.message.id;
                delivery.ack().await.unwrap();
                id
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        let message = message("job");
        queue.publish(&message).await.unwrap();
        sent.push(message.id);
    }
    let mut received = Vec::new();
    for worker in waiting {
        let id = within_deadline("a message wakes each worker", worker).await;
        received.push(id.unwrap());
    }
    received.sort();
    assert_eq!(received, sent);
    assert!(queue.is_empty());
}
