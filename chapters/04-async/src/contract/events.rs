//! What every [`Events`] has to keep.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::soon;
use crate::events::{Event, EventDelivery, Events, Subscription};

/// Judges publish/subscribe through two handles. It leaves empty queues behind.
pub async fn events(one: &dyn Events, other: &dyn Events) {
    every_queue_gets_every_event_that_fits(one, other).await;
    the_consumers_of_a_queue_share_its_events(one, other).await;
    an_event_waits_for_a_consumer_that_is_away(one, other).await;
    a_dropped_event_comes_again(one, other).await;
    a_requeued_event_bothers_no_other_queue(one, other).await;
    an_event_for_nobody_is_no_error(one).await;
}

async fn every_queue_gets_every_event_that_fits(one: &dyn Events, other: &dyn Events) {
    let cakes = subscribe(one, "cakes", "order.cake.*").await;
    let orders = subscribe(other, "orders", "order.#").await;
    // A second pattern for the same queue is one more reason to get an event, not one more copy.
    let twice = subscribe(other, "orders", "order.cake.big").await;
    drop(twice);
    let big = publish(one, "order.cake.big").await;
    let bread = publish(other, "order.bread").await;
    publish(one, "news").await;
    let small = publish(one, "order.cake.small").await;

    for (queue, expected) in [
        (&cakes, vec![&big, &small]),
        (&orders, vec![&big, &bread, &small]),
    ] {
        for event in expected {
            let delivery = receive(&**queue).await;
            assert_eq!(
                &delivery.event, event,
                "an event is missing, came twice, or went where it does not fit"
            );
            ack(delivery).await;
        }
    }
}

async fn the_consumers_of_a_queue_share_its_events(one: &dyn Events, other: &dyn Events) {
    let (first, second) = (
        subscribe(one, "shared", "shared.*").await,
        subscribe(other, "shared", "shared.*").await,
    );
    let mut sent = BTreeSet::new();
    for _ in 0..6 {
        sent.insert(publish(one, "shared.it").await.id);
    }
    let three = async |queue: &dyn Subscription| {
        let mut received = BTreeSet::new();
        for _ in 0..3 {
            let delivery = receive(queue).await;
            received.insert(delivery.event.id);
            ack(delivery).await;
        }
        received
    };
    let (mine, theirs) = futures_util::join!(three(&*first), three(&*second));
    let both: BTreeSet<_> = mine.union(&theirs).copied().collect();
    assert_eq!(
        both, sent,
        "an event was lost, or given to both consumers of one queue"
    );
}

async fn an_event_waits_for_a_consumer_that_is_away(one: &dyn Events, other: &dyn Events) {
    drop(subscribe(one, "away", "away.*").await);
    let event = publish(other, "away.it").await;
    let back = subscribe(other, "away", "away.*").await;
    let delivery = receive(&*back).await;
    assert_eq!(
        delivery.event, event,
        "the queue went away with its consumer"
    );
    ack(delivery).await;
}

async fn a_dropped_event_comes_again(one: &dyn Events, other: &dyn Events) {
    let (first, second) = (
        subscribe(one, "again", "again.*").await,
        subscribe(other, "again", "again.*").await,
    );
    let event = publish(one, "again.it").await;
    let delivery = receive(&*first).await;
    drop((delivery, first));
    let delivery = receive(&*second).await;
    assert_eq!(
        delivery.event, event,
        "a consumer was killed with an event in its hands, and the event is gone"
    );
    ack(delivery).await;
}

async fn a_requeued_event_bothers_no_other_queue(one: &dyn Events, other: &dyn Events) {
    let (bothered, calm) = (
        subscribe(one, "bothered", "letter.*").await,
        subscribe(other, "calm", "letter.*").await,
    );
    let (event, next) = (
        publish(one, "letter.it").await,
        publish(one, "letter.it").await,
    );
    receive(&*bothered)
        .await
        .requeue()
        .await
        .expect("an event that was confirmed once may not be refused");
    for (queue, expected) in [(&bothered, [&next, &event]), (&calm, [&event, &next])] {
        for event in expected {
            let delivery = receive(&**queue).await;
            assert_eq!(
                &delivery.event, event,
                "requeued events go behind the others of their own queue"
            );
            ack(delivery).await;
        }
    }
    // Had the event gone round by the exchange, the other queue would have it twice.
    let last = publish(one, "letter.it").await;
    for queue in [&bothered, &calm] {
        let delivery = receive(&**queue).await;
        assert_eq!(
            delivery.event, last,
            "one channel's trouble became another channel's second notice"
        );
        ack(delivery).await;
    }
}

async fn an_event_for_nobody_is_no_error(one: &dyn Events) {
    publish(one, "nobody.listens").await;
}

async fn subscribe(events: &dyn Events, queue: &str, pattern: &str) -> Box<dyn Subscription> {
    let subscription = soon(
        events.subscribe(queue, pattern),
        "a subscription is not answered",
    )
    .await;
    subscription.expect("one can subscribe")
}

async fn publish(events: &dyn Events, topic: &str) -> Event {
    let event = Event {
        id: Uuid::now_v7(),
        topic: topic.to_owned(),
        payload: json!({ "customer": "Ada \"Łovelace\"", "count": 3 }),
    };
    let published = soon(events.publish(&event), "is the event confirmed?").await;
    published.expect("the exchange takes an event");
    event
}

async fn receive(subscription: &dyn Subscription) -> EventDelivery {
    let delivery = soon(
        subscription.receive(),
        "no event: is somebody else holding it?",
    )
    .await;
    delivery.expect("the queue delivers")
}

async fn ack(delivery: EventDelivery) {
    delivery
        .ack()
        .await
        .expect("the queue takes an acknowledgement");
}
