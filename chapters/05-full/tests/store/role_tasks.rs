//! A role in a task of the store's process is started again when it panics or ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use ch04_async::events::rsvp::{self, CHANNELS, NotificationSender, Notifier, Rsvp};
use ch04_async::{EventBus, MemoryEventBus};
use ch05_full::roles;
use ch05_full::roles::task::RoleTask;
use chrono::Utc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::{DEADLINE, poll_until};

/// Panics at the first notification, and counts all of them.
#[derive(Default)]
struct PanicsOnce(AtomicUsize);

#[async_trait]
impl NotificationSender for PanicsOnce {
    async fn send(&self, _: &str, _: Uuid, _: &Rsvp) -> Result<(), String> {
        let sent_before = self.0.fetch_add(1, Ordering::SeqCst);
        assert_ne!(sent_before, 0, "the first notification panics on purpose");
        Ok(())
    }
}

#[tokio::test]
async fn panicked_notifier_sends_again() {
    let events = Arc::new(MemoryEventBus::default());
    rsvp::create_queues(&*events).await.unwrap();
    let sender = Arc::new(PanicsOnce::default());
    let notifier = roles::notifier::start(Notifier {
        channel: CHANNELS[0],
        events: events.clone(),
        sender: sender.clone(),
    });
    for event_id in 1..=2 {
        let rsvp = Rsvp {
            event_id,
            customer: "ada".to_owned(),
            at: Utc::now(),
        };
        events.publish(&rsvp.created_event()).await.unwrap();
    }
    // The first notification, the same one again, and the second one.
    poll_until(async || (sender.0.load(Ordering::SeqCst) >= 3).then_some(())).await;
    notifier.stop(Instant::now() + DEADLINE).await;
}

#[tokio::test]
async fn ended_server_listens_again_at_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Serves one connection, and ends.
    let server = RoleTask::start_server("server", listener, async |listener, _| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"served").await;
    })
    .unwrap();
    for connection in 1..=3 {
        poll_until(async || {
            let mut stream = TcpStream::connect(address).await.ok()?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await.ok()?;
            (text == "served").then_some(())
        })
        .await;
        println!("connection {connection} was served");
    }
    server.stop(Instant::now() + DEADLINE).await;
}

#[tokio::test]
async fn stop_ends_a_role_that_always_fails() {
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = starts.clone();
    let role = RoleTask::start("role", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { panic!("this role panics on purpose") }
    });
    poll_until(async || (starts.load(Ordering::SeqCst) >= 3).then_some(())).await;
    let begin = Instant::now();
    role.stop(begin + DEADLINE).await;
    assert!(
        begin.elapsed() < DEADLINE,
        "the stop waited for a role that does not run"
    );
    assert_eq!(
        Arc::strong_count(&starts),
        1,
        "the task still owns its role after the stop"
    );
}
