//! One RSVP reaches e-mail and push, also after failures.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ch04_async::events::rsvp::{CHANNELS, NotificationSender, Notifier, Rsvp, create_queues};
use ch04_async::{Event, EventBus, MemoryEventBus, RabbitEventBus};
use chrono::Utc;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::within_deadline;

/// Channel, event and customer of a notification.
type Notification = (String, Uuid, String);

/// Records what it sends. It can hang at its first call, or fail at the first call for one
/// customer.
struct RecordingSender {
    sent: UnboundedSender<Notification>,
    started: Semaphore,
    hangs: AtomicBool,
    fails_for: Option<&'static str>,
    has_failed: AtomicBool,
}

#[async_trait]
impl NotificationSender for RecordingSender {
    async fn send(&self, channel: &str, event: Uuid, rsvp: &Rsvp) -> Result<(), String> {
        self.started.add_permits(1);
        if self.hangs.swap(false, Ordering::SeqCst) {
            pending::<()>().await;
        }
        if self.fails_for == Some(&*rsvp.customer) && !self.has_failed.swap(true, Ordering::SeqCst)
        {
            return Err("the mailbox is full".to_owned());
        }
        let notification = (channel.to_owned(), event, rsvp.customer.clone());
        let sent = self.sent.send(notification);
        sent.map_err(|error| error.to_string())
    }
}

fn recording_sender(
    hangs: bool,
    fails_for: Option<&'static str>,
) -> (Arc<RecordingSender>, UnboundedReceiver<Notification>) {
    let (sent, notifications) = mpsc::unbounded_channel();
    let sender = RecordingSender {
        sent,
        started: Semaphore::new(0),
        hangs: AtomicBool::new(hangs),
        fails_for,
        has_failed: AtomicBool::new(false),
    };
    (Arc::new(sender), notifications)
}

fn start(
    channel: &'static str,
    events: &Arc<dyn EventBus>,
    sender: &Arc<RecordingSender>,
) -> JoinHandle<()> {
    let notifier = Notifier {
        channel,
        events: events.clone(),
        sender: sender.clone(),
    };
    tokio::spawn(notifier.run(pending()))
}

fn rsvp(customer: &str) -> Event {
    let rsvp = Rsvp {
        event_id: 7,
        customer: customer.to_owned(),
        at: Utc::now(),
    };
    rsvp.created_event()
}

async fn next(notifications: &mut UnboundedReceiver<Notification>) -> Notification {
    let next = within_deadline("a notification is sent", notifications.recv()).await;
    next.unwrap()
}

async fn each_channel_sends_each_rsvp_once(events: Arc<dyn EventBus>) {
    let (sender, mut notifications) = recording_sender(false, None);
    create_queues(&*events).await.unwrap();
    // The events wait, because no notifier runs yet.
    let (ada, bob) = (rsvp("ada"), rsvp("bob"));
    events.publish(&ada).await.unwrap();
    events.publish(&bob).await.unwrap();
    // Two notifiers for each channel share its events.
    for channel in CHANNELS {
        start(channel, &events, &sender);
        start(channel, &events, &sender);
    }

    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(next(&mut notifications).await);
    }
    sent.sort();
    let expect = |channel: &str, event: &Event, customer: &str| {
        (channel.to_owned(), event.id, customer.to_owned())
    };
    let mut expected = vec![
        expect("email", &ada, "ada"),
        expect("email", &bob, "bob"),
        expect("push", &ada, "ada"),
        expect("push", &bob, "bob"),
    ];
    expected.sort();
    assert_eq!(
        sent, expected,
        "a customer was notified twice over one channel, or not at all"
    );
    assert!(notifications.try_recv().is_err());
}

#[tokio::test]
async fn memory_channels_send_each_rsvp_once() {
    each_channel_sends_each_rsvp_once(Arc::new(MemoryEventBus::default())).await;
}

#[tokio::test]
async fn rabbitmq_channels_send_each_rsvp_once() {
    let broker = testbed::rabbitmq().await.unwrap();
    each_channel_sends_each_rsvp_once(Arc::new(RabbitEventBus::new(&broker.url()).unwrap())).await;
}

#[tokio::test]
async fn another_notifier_sends_a_killed_notifiers_event() {
    let broker = testbed::rabbitmq().await.unwrap();
    let events: Arc<dyn EventBus> = Arc::new(RabbitEventBus::new(&broker.url()).unwrap());
    let (sender, mut notifications) = recording_sender(true, None);
    create_queues(&*events).await.unwrap();
    let event = rsvp("ada");
    events.publish(&event).await.unwrap();
    let first = start("email", &events, &sender);
    let started = within_deadline("a notifier starts to send", sender.started.acquire()).await;
    started.unwrap().forget();

    first.abort();
    let _ = first.await;
    start("email", &events, &sender);

    assert_eq!(
        next(&mut notifications).await,
        ("email".to_owned(), event.id, "ada".to_owned())
    );
}

#[tokio::test]
async fn failed_notification_is_retried_after_the_others() {
    let events: Arc<dyn EventBus> = Arc::new(MemoryEventBus::default());
    let (sender, mut notifications) = recording_sender(false, Some("ada"));
    create_queues(&*events).await.unwrap();
    for customer in ["ada", "bob"] {
        events.publish(&rsvp(customer)).await.unwrap();
    }
    start("push", &events, &sender);
    let customers = [
        next(&mut notifications).await.2,
        next(&mut notifications).await.2,
    ];
    assert_eq!(customers, ["bob", "ada"]);
}

#[tokio::test]
async fn invalid_event_is_skipped() {
    let events: Arc<dyn EventBus> = Arc::new(MemoryEventBus::default());
    let (sender, mut notifications) = recording_sender(false, None);
    create_queues(&*events).await.unwrap();
    let invalid = Event {
        payload: json!({ "customer": 7 }),
        ..rsvp("ada")
    };
    events.publish(&invalid).await.unwrap();
    events.publish(&rsvp("bob")).await.unwrap();
    start("email", &events, &sender);
    assert_eq!(next(&mut notifications).await.2, "bob");
}

#[tokio::test]
async fn absent_subscriber_loses_only_its_oldest_events() {
    let events = MemoryEventBus::default();
    let (absent, present) = (
        events.subscribe("absent", "#").await.unwrap(),
        events.subscribe("present", "#").await.unwrap(),
    );
    let mut sent = Vec::new();
    for _ in 0..10_003 {
        let event = rsvp("ada");
        events.publish(&event).await.unwrap();
        present.receive().await.unwrap().ack().await.unwrap();
        sent.push(event.id);
    }
    let mut received = Vec::new();
    for _ in 0..10_000 {
        let delivery = absent.receive().await.unwrap();
        received.push(delivery.message.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(
        received,
        sent[3..],
        "the queue should drop its 3 oldest events"
    );
}
