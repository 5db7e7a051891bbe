//! What the queue in memory promises beyond the contract that all queues keep: an exact order, and an exact bound.

use std::pin::pin;
use std::task::Poll;

use ch04_async::{JobQueue, MemoryQueue, QueueError};
use futures_util::poll;

use crate::support::{DEADLINE, message};

#[tokio::test]
async fn a_dropped_message_is_the_next_and_a_requeued_one_the_last() {
    let queue = MemoryQueue::new(2);
    let (first, second) = (message("job"), message("job"));
    queue.publish(&first).await.unwrap();
    queue.publish(&second).await.unwrap();

    drop(queue.receive().await.unwrap());
    let again = queue.receive().await.unwrap();
    assert_eq!(
        again.message, first,
        "its worker died, and it has waited longest"
    );
    // The bound is reached meanwhile, and does not count for a message that was confirmed.
    queue.publish(&message("job")).await.unwrap();
    again.requeue().await.unwrap();

    assert_eq!(queue.len(), 3);
    let next = queue.receive().await.unwrap();
    assert_eq!(
        next.message, second,
        "a requeued message goes behind the others"
    );
}

#[tokio::test]
async fn restored_messages_are_taken_past_the_bound_and_wake_every_worker() {
    let queue = MemoryQueue::new(1);
    let (mut first, mut second) = (pin!(queue.receive()), pin!(queue.receive()));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let messages = [(); 3].map(|()| message("job"));

    queue.restore(messages.clone());

    let (Poll::Ready(first), Poll::Ready(second)) = (poll!(first), poll!(second)) else {
        panic!("a worker sleeps beside a waiting job: was the wake-up passed on?");
    };
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        [&first.message, &second.message],
        [&messages[0], &messages[1]]
    );
    assert_eq!(queue.len(), 1);
    let refused = queue.publish(&message("job")).await;
    assert!(
        matches!(refused, Err(QueueError::Full(1))),
        "new ones are still bounded"
    );
}

#[tokio::test]
async fn a_worker_that_goes_away_after_its_wake_up_leaves_the_message_to_another() {
    let queue = MemoryQueue::new(10);
    let mut first = Box::pin(queue.receive());
    let mut second = Box::pin(queue.receive());
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    let sent = message("job");
    queue.publish(&sent).await.unwrap();

    drop(first);

    let Poll::Ready(received) = poll!(&mut second) else {
        panic!("the wake-up went away with the worker that it was for");
    };
    assert_eq!(received.unwrap().message, sent);
}

#[tokio::test]
async fn a_full_queue_refuses_instead_of_growing() {
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
async fn a_message_wakes_each_of_several_waiting_workers_once() {
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
        received.push(
            tokio::time::timeout(DEADLINE, worker)
                .await
                .expect("nobody was woken")
                .unwrap(),
        );
    }
    received.sort();
    assert_eq!(received, sent);
    assert!(queue.is_empty());
}
