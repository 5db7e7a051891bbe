//! One RSVP reaches e-mail and push, whatever happens to either.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ch04_async::rabbit::RabbitEvents;
use ch04_async::rsvp::{CHANNELS, Notifier, Outbox, Rsvp, open_channels};
use ch04_async::{Event, Events, MemoryEvents};
use chrono::Utc;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::within_the_deadline;

/// What was sent: over which channel, for which event, to whom.
type Notice = (String, Uuid, String);

/// Notes what it is asked to send. May hang once, or fail for one customer the first time.
struct Notes {
    sent: mpsc::UnboundedSender<Notice>,
    begun: Semaphore,
    hangs: AtomicBool,
    fails_for: Option<&'static str>,
    has_failed: AtomicBool,
}

#[async_trait]
impl Outbox for Notes {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        self.begun.add_permits(1);
        if self.hangs.swap(false, Ordering::SeqCst) {
            pending::<()>().await;
        }
        if self.fails_for == Some(&*rsvp.customer) && !self.has_failed.swap(true, Ordering::SeqCst)
        {
            return Err("no such mailbox today".to_owned());
        }
        let notice = (channel.to_owned(), event, rsvp.customer.clone());
        self.sent.send(notice).map_err(|error| error.to_string())
    }
}

fn notes(
    hangs: bool,
    fails_for: Option<&'static str>,
) -> (Arc<Notes>, mpsc::UnboundedReceiver<Notice>) {
    let (sent, seen) = mpsc::unbounded_channel();
    let notes = Notes {
        sent,
        begun: Semaphore::new(0),
        hangs: AtomicBool::new(hangs),
        fails_for,
        has_failed: AtomicBool::new(false),
    };
    (Arc::new(notes), seen)
}

fn start(channel: &'static str, events: &Arc<dyn Events>, outbox: &Arc<Notes>) -> JoinHandle<()> {
    let notifier = Notifier {
        channel,
        events: events.clone(),
        outbox: outbox.clone(),
    };
    tokio::spawn(notifier.run(pending()))
}

fn rsvp(customer: &str) -> Event {
    let rsvp = Rsvp {
        event_id: 7,
        customer: customer.to_owned(),
        at: Utc::now(),
    };
    rsvp.created()
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Notice>) -> Notice {
    within_the_deadline("a notice is sent", seen.recv())
        .await
        .unwrap()
}

async fn each_channel_tells_of_each_rsvp_once(events: Arc<dyn Events>) {
    let (outbox, mut seen) = notes(false, None);
    open_channels(&*events).await.unwrap();
    // Before anybody runs: the events wait.
    let (ada, bob) = (rsvp("ada"), rsvp("bob"));
    events.publish(&ada).await.unwrap();
    events.publish(&bob).await.unwrap();
    // Two for each channel, which share its work.
    for channel in CHANNELS {
        start(channel, &events, &outbox);
        start(channel, &events, &outbox);
    }

    let mut notices = Vec::new();
    for _ in 0..4 {
        notices.push(next(&mut seen).await);
    }
    notices.sort();
    let expect =
        |channel: &str, event: &Event, who: &str| (channel.to_owned(), event.id, who.to_owned());
    let mut expected = vec![
        expect("email", &ada, "ada"),
        expect("email", &bob, "bob"),
        expect("push", &ada, "ada"),
        expect("push", &bob, "bob"),
    ];
    expected.sort();
    assert_eq!(
        notices, expected,
        "a customer was told twice over one channel, or not at all"
    );
    assert!(seen.try_recv().is_err());
}

#[tokio::test]
async fn each_channel_in_memory_tells_of_each_rsvp_once() {
    each_channel_tells_of_each_rsvp_once(Arc::new(MemoryEvents::default())).await;
}

#[tokio::test]
async fn each_channel_in_rabbitmq_tells_of_each_rsvp_once() {
    let broker = testbed::rabbitmq().await.unwrap();
    each_channel_tells_of_each_rsvp_once(Arc::new(RabbitEvents::new(&broker.url()).unwrap())).await;
}

#[tokio::test]
async fn a_notice_whose_notifier_was_killed_is_sent_by_another() {
    let broker = testbed::rabbitmq().await.unwrap();
    let events: Arc<dyn Events> = Arc::new(RabbitEvents::new(&broker.url()).unwrap());
    let (outbox, mut seen) = notes(true, None);
    open_channels(&*events).await.unwrap();
    let event = rsvp("ada");
    events.publish(&event).await.unwrap();
    let first = start("email", &events, &outbox);
    within_the_deadline("a notifier begins", outbox.begun.acquire())
        .await
        .unwrap()
        .forget();

    first.abort();
    let _ = first.await;
    start("email", &events, &outbox);

    assert_eq!(
        next(&mut seen).await,
        ("email".to_owned(), event.id, "ada".to_owned())
    );
}

#[tokio::test]
async fn a_notice_that_cannot_be_sent_is_tried_again_after_the_others() {
    let events: Arc<dyn Events> = Arc::new(MemoryEvents::default());
    let (outbox, mut seen) = notes(false, Some("ada"));
    open_channels(&*events).await.unwrap();
    for customer in ["ada", "bob"] {
        events.publish(&rsvp(customer)).await.unwrap();
    }
    start("push", &events, &outbox);
    let order = [next(&mut seen).await.2, next(&mut seen).await.2];
    assert_eq!(order, ["bob", "ada"]);
}

#[tokio::test]
async fn what_is_no_rsvp_is_left_out_and_the_next_one_is_sent() {
    let events: Arc<dyn Events> = Arc::new(MemoryEvents::default());
    let (outbox, mut seen) = notes(false, None);
    open_channels(&*events).await.unwrap();
    let nonsense = Event {
        payload: json!({ "customer": 7 }),
        ..rsvp("ada")
    };
    events.publish(&nonsense).await.unwrap();
    events.publish(&rsvp("bob")).await.unwrap();
    start("email", &events, &outbox);
    assert_eq!(next(&mut seen).await.2, "bob");
}

#[tokio::test]
async fn a_subscriber_that_stays_away_loses_its_oldest_events_and_stops_nobody() {
    let events = MemoryEvents::default();
    let (away, here) = (
        events.subscribe("away", "#").await.unwrap(),
        events.subscribe("here", "#").await.unwrap(),
    );
    let mut sent = Vec::new();
    for _ in 0..10_003 {
        let event = rsvp("ada");
        events.publish(&event).await.unwrap();
        here.receive().await.unwrap().ack().await.unwrap();
        sent.push(event.id);
    }
    let mut received = Vec::new();
    for _ in 0..10_000 {
        let delivery = away.receive().await.unwrap();
        received.push(delivery.event.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(received, sent[3..]);
}
