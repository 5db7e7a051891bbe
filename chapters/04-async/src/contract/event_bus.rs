//! The contract of [`EventBus`].

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::within_deadline;
use crate::events::{Event, EventBus, Subscription};
use crate::queue::Delivery;

/// Tests an event bus through two handles. It leaves empty queues behind.
pub async fn event_bus(one: &dyn EventBus, other: &dyn EventBus) {
    every_matching_queue_gets_every_event(one, other).await;
    consumers_of_a_queue_share_its_events(one, other).await;
    event_waits_for_an_absent_consumer(one, other).await;
    dropped_event_is_delivered_again(one, other).await;
    requeued_event_affects_no_other_queue(one, other).await;
    event_without_subscriber_is_no_error(one).await;
}

async fn every_matching_queue_gets_every_event(one: &dyn EventBus, other: &dyn EventBus) {
    let games = subscribe(one, "games", "order.game.*").await;
    let orders = subscribe(other, "orders", "order.#").await;
    // With two matching patterns, a queue still gets one copy.
    let second_pattern = subscribe(other, "orders", "order.game.big").await;
    drop(second_pattern);
    let big = publish(one, "order.game.big").await;
    let ticket = publish(other, "order.ticket").await;
    publish(one, "news").await;
    let small = publish(one, "order.game.small").await;

    for (queue, expected) in [
        (&games, vec![&big, &small]),
        (&orders, vec![&big, &ticket, &small]),
    ] {
        for event in expected {
            let delivery = receive(&**queue).await;
            assert_eq!(
                &delivery.message, event,
                "an event is missing, was delivered twice, or does not match the pattern"
            );
            ack(delivery).await;
        }
    }
}

async fn consumers_of_a_queue_share_its_events(one: &dyn EventBus, other: &dyn EventBus) {
    let (first, second) = (
        subscribe(one, "shared", "shared.*").await,
        subscribe(other, "shared", "shared.*").await,
    );
    let mut sent = BTreeSet::new();
    for _ in 0..6 {
        sent.insert(publish(one, "shared.event").await.id);
    }
    let three = async |queue: &dyn Subscription| {
        let mut received = BTreeSet::new();
        for _ in 0..3 {
            let delivery = receive(queue).await;
            received.insert(delivery.message.id);
            ack(delivery).await;
        }
        received
    };
    let (first, second) = futures_util::join!(three(&*first), three(&*second));
    let both: BTreeSet<_> = first.union(&second).copied().collect();
    assert_eq!(
        both, sent,
        "an event was lost, or delivered to both consumers of one queue"
    );
}

async fn event_waits_for_an_absent_consumer(one: &dyn EventBus, other: &dyn EventBus) {
    drop(subscribe(one, "away", "away.*").await);
    let event = publish(other, "away.event").await;
    let returned = subscribe(other, "away", "away.*").await;
    let delivery = receive(&*returned).await;
    assert_eq!(
        delivery.message, event,
        "the queue was deleted with its consumer"
    );
    ack(delivery).await;
}

async fn dropped_event_is_delivered_again(one: &dyn EventBus, other: &dyn EventBus) {
    let (first, second) = (
        subscribe(one, "dropped", "dropped.*").await,
        subscribe(other, "dropped", "dropped.*").await,
    );
    let event = publish(one, "dropped.event").await;
    let delivery = receive(&*first).await;
    drop((delivery, first));
    let delivery = receive(&*second).await;
    assert_eq!(
        delivery.message, event,
        "the event of a killed consumer is lost"
    );
    ack(delivery).await;
}

async fn requeued_event_affects_no_other_queue(one: &dyn EventBus, other: &dyn EventBus) {
    let (failing, healthy) = (
        subscribe(one, "failing", "requeue.*").await,
        subscribe(other, "healthy", "requeue.*").await,
    );
    let (event, next) = (
        publish(one, "requeue.event").await,
        publish(one, "requeue.event").await,
    );
    receive(&*failing)
        .await
        .requeue()
        .await
        .expect("a queue may not refuse a confirmed event");
    for (queue, expected) in [(&failing, [&next, &event]), (&healthy, [&event, &next])] {
        for event in expected {
            let delivery = receive(&**queue).await;
            assert_eq!(
                &delivery.message, event,
                "a requeued event goes to the back of its own queue only"
            );
            ack(delivery).await;
        }
    }
    // If the event went through the exchange again, the healthy queue would have it twice.
    let last = publish(one, "requeue.event").await;
    for queue in [&failing, &healthy] {
        let delivery = receive(&**queue).await;
        assert_eq!(
            delivery.message, last,
            "the requeued event of one queue was delivered again to another queue"
        );
        ack(delivery).await;
    }
}

async fn event_without_subscriber_is_no_error(one: &dyn EventBus) {
    publish(one, "no.subscriber").await;
}

async fn subscribe(events: &dyn EventBus, queue: &str, pattern: &str) -> Box<dyn Subscription> {
    let subscribing = events.subscribe(queue, pattern);
    let subscription = within_deadline(subscribing, "does the event bus respond?").await;
    subscription.expect("the event bus should accept a subscription")
}

async fn publish(events: &dyn EventBus, topic: &str) -> Event {
    let event = Event {
        id: Uuid::now_v7(),
        topic: topic.to_owned(),
        payload: json!({ "customer": "Ada \"Łovelace\"", "count": 3 }),
    };
    let published = within_deadline(events.publish(&event), "is the event confirmed?").await;
    published.expect("the event bus should accept an event");
    event
}

async fn receive(subscription: &dyn Subscription) -> Delivery<Event> {
    let hint = "does another consumer hold the event?";
    let delivery = within_deadline(subscription.receive(), hint).await;
    delivery.expect("the queue should deliver an event")
}

async fn ack(delivery: Delivery<Event>) {
    delivery
        .ack()
        .await
        .expect("the queue should accept an acknowledgement");
}
