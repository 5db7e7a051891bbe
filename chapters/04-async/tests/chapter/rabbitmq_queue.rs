//! What the queue in RabbitMQ promises beyond the contract, also with a full or unavailable broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ch04_async::queue::QueueSettings;
use ch04_async::rabbitmq::{DEAD_JOBS, JOBS, OPERATION_TIMEOUT};
use ch04_async::{JobMessage, JobQueue, QueueError, RabbitQueue};
use common::error_chain;
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use testbed::{Fault, FaultProxy, Server, Service};

use crate::support::{message, poll_until, receive_with_retry, within_deadline};

/// A channel without the checks of [`RabbitQueue`].
async fn raw_channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Publishes any bytes.
async fn publish_raw(channel: &Channel, queue: &str, body: &[u8]) {
    let properties = BasicProperties::default();
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("".into(), queue.into(), options, body, properties)
        .await
        .unwrap();
}

async fn publish(queue: &RabbitQueue, count: usize) -> Vec<JobMessage> {
    let sent: Vec<_> = (0..count).map(|_| message("job")).collect();
    for message in &sent {
        queue.publish(message).await.unwrap();
    }
    sent
}

#[tokio::test]
async fn unroutable_job_is_an_error() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    publish(&queue, 1).await;
    let (_connection, channel) = raw_channel(&broker.url()).await;
    channel
        .queue_delete(JOBS.into(), QueueDeleteOptions::default())
        .await
        .unwrap();

    let lost = queue.publish(&message("job")).await;

    let Err(QueueError::Unavailable(reason)) = lost else {
        panic!("the broker discarded the message and confirmed it; is it `mandatory`? {lost:?}");
    };
    assert!(
        reason.to_string().contains("no queue for \"jobs\""),
        "{reason}"
    );
    publish(&queue, 1).await;
    assert_eq!(queue.waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn unreadable_message_becomes_a_dead_letter() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let first = publish(&queue, 1).await;
    let (_connection, channel) = raw_channel(&broker.url()).await;
    publish_raw(&channel, JOBS, b"{\"id\": 7}").await;
    poll_until("the unreadable message is on the queue", async || {
        queue.waiting().await.unwrap() == 2
    })
    .await;
    let second = publish(&queue, 1).await;

    for expected in [&first[0], &second[0]] {
        let delivery = receive_with_retry(&queue).await;
        assert_eq!(&delivery.message, expected);
        delivery.ack().await.unwrap();
    }
    poll_until("the message is a dead letter", async || {
        queue.dead_letters().await.unwrap() == 1
    })
    .await;
    let dead_letter = channel
        .basic_get(DEAD_JOBS.into(), BasicGetOptions::default())
        .await
        .unwrap()
        .unwrap();
    let headers = dead_letter.delivery.properties.headers().clone().unwrap();
    let reason = headers.inner().get("x-last-death-reason").unwrap();
    assert_eq!(
        reason.as_long_string().unwrap().as_bytes(),
        b"rejected",
        "the message should be rejected at once, not delivered until the delivery limit"
    );
}

#[tokio::test]
async fn replayed_dead_letter_is_a_job_again() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let readable = message("job");
    assert_eq!(queue.dead_letters().await.unwrap(), 0);
    let (_connection, channel) = raw_channel(&broker.url()).await;
    publish_raw(&channel, DEAD_JOBS, &serde_json::to_vec(&readable).unwrap()).await;
    poll_until("the message is a dead letter", async || {
        queue.dead_letters().await.unwrap() == 1
    })
    .await;

    assert_eq!(queue.replay_dead_letters().await.unwrap(), 1);

    let delivery = receive_with_retry(&queue).await;
    assert_eq!(delivery.message, readable);
    delivery.ack().await.unwrap();
    poll_until("no copy stays in the dead-letter queue", async || {
        queue.dead_letters().await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn full_queue_refuses_only_new_jobs() {
    let broker = testbed::rabbitmq().await.unwrap();
    let settings = QueueSettings {
        capacity: 3,
        ..QueueSettings::default()
    };
    let queue = RabbitQueue::with_settings(&broker.url(), settings).unwrap();
    let mut confirmed = fill(&queue).await;
    let failed = receive_with_retry(&queue).await;
    confirmed += fill(&queue).await;

    failed
        .requeue()
        .await
        .expect("a queue may not refuse a confirmed message");

    let mut received = BTreeSet::new();
    for _ in 0..confirmed {
        let delivery = receive_with_retry(&queue).await;
        received.insert(delivery.message.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(
        received.len(),
        confirmed,
        "a job was dropped to make room, or delivered twice"
    );
    assert_eq!(queue.waiting().await.unwrap(), 0);
    poll_until("the queue has room again", async || {
        queue.publish(&message("job")).await.is_ok()
    })
    .await;
}

/// Publishes until the queue is full, and returns how many jobs it confirmed. The broker checks the
/// limit only from time to time, so the number varies.
async fn fill(queue: &RabbitQueue) -> usize {
    for confirmed in 0..100 {
        match queue.publish(&message("job")).await {
            Ok(()) => {}
            Err(QueueError::Full(_)) => return confirmed,
            Err(error) => panic!("{}", error_chain(&error)),
        }
    }
    panic!("the queue accepts jobs without a limit; is `x-max-length` set?");
}

#[tokio::test]
async fn dropped_job_is_delivered_first() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let sent = publish(&queue, 3).await;

    let held = receive_with_retry(&queue).await;
    poll_until("one job is held", async || {
        queue.waiting().await.unwrap() == 2
    })
    .await;
    drop(held);
    poll_until("the job is back", async || {
        queue.waiting().await.unwrap() == 3
    })
    .await;

    let next = receive_with_retry(&queue).await;
    assert_eq!(
        next.message, sent[0],
        "a dropped job belongs to the front: it has waited longest"
    );
}

#[tokio::test]
async fn prefetch_limits_unacknowledged_messages() {
    for (prefetch, left_for_others) in [(1, 4), (3, 2), (100, 0)] {
        let broker = testbed::rabbitmq().await.unwrap();
        let settings = QueueSettings {
            prefetch,
            ..QueueSettings::default()
        };
        let queue = RabbitQueue::with_settings(&broker.url(), settings).unwrap();
        publish(&queue, 5).await;
        let held = receive_with_retry(&queue).await;
        let expectation = format!(
            "with a prefetch of {prefetch}, {left_for_others} of 5 jobs stay for other workers"
        );
        poll_until(&expectation, async || {
            queue.waiting().await.unwrap() == left_for_others
        })
        .await;
        drop(held);
        poll_until("the held and the prefetched jobs are back", async || {
            queue.waiting().await.unwrap() == 5
        })
        .await;
    }
}

#[tokio::test]
async fn cancelled_receiver_takes_no_job() {
    let (broker, proxy, proxy_url) = broker_behind_a_proxy().await;
    let distant = RabbitQueue::new(&proxy_url).unwrap();
    let sent = publish(&distant, 1).await;
    let delay = Duration::from_millis(10);
    let jitter = Duration::ZERO;
    drop(receive_with_retry(&distant).await);
    proxy.inject(Fault::Latency { delay, jitter });

    // Opening a channel and receiving takes five round trips of 20 milliseconds. The receiver is
    // cancelled at many moments in between.
    for after in (0..150).step_by(5) {
        let _ = tokio::time::timeout(Duration::from_millis(after), distant.receive()).await;
    }

    let near = RabbitQueue::new(&broker.url()).unwrap();
    let delivery = receive_with_retry(&near).await;
    assert_eq!(delivery.message, sent[0]);
}

/// A broker, a proxy in front of it, and the URL through the proxy.
async fn broker_behind_a_proxy() -> (testbed::RabbitMq, FaultProxy, String) {
    let broker = testbed::rabbitmq().await.unwrap();
    let proxy = FaultProxy::before(broker.address()).await.unwrap();
    let url = broker.url_through(proxy.address());
    (broker, proxy, url)
}

#[tokio::test]
async fn unavailable_broker_and_invalid_address_are_errors() {
    // No server listens on port 1.
    let queue = RabbitQueue::new("amqp://127.0.0.1:1/%2f").unwrap();
    let start = Instant::now();
    assert!(matches!(
        queue.publish(&message("job")).await,
        Err(QueueError::Unavailable(_))
    ));
    assert!(matches!(
        queue.receive().await,
        Err(QueueError::Unavailable(_))
    ));
    assert!(start.elapsed() < 2 * OPERATION_TIMEOUT + Duration::from_secs(5));

    // The message shows no address, because an address may contain a password.
    let expected = "invalid RabbitMQ address; write amqp://USER:PASSWORD@HOST:PORT/VHOST";
    for invalid in ["localhost:5672", "amq://user:secret@localhost"] {
        let error = RabbitQueue::new(invalid).err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn silent_broker_is_an_error_and_job_moves() {
    let (broker, proxy, proxy_url) = broker_behind_a_proxy().await;
    let disconnected = RabbitQueue::new(&proxy_url).unwrap();
    let sent = publish(&disconnected, 1).await;
    let held = receive_with_retry(&disconnected).await;

    proxy.inject(Fault::Blackhole);

    let start = Instant::now();
    let lost = within_deadline("publishing returns", disconnected.publish(&message("job"))).await;
    assert!(matches!(lost, Err(QueueError::Unavailable(_))), "{lost:?}");
    let elapsed = start.elapsed();
    assert!(
        elapsed < 2 * OPERATION_TIMEOUT,
        "the error came only after {elapsed:?}"
    );

    let other = RabbitQueue::new(&broker.url()).unwrap();
    let (received, no_message) = futures_util::join!(
        receive_with_retry(&other),
        within_deadline("receiving returns", disconnected.receive())
    );
    assert_eq!(
        received.message, sent[0],
        "the job of the disconnected worker should go to another worker"
    );
    received.ack().await.unwrap();
    assert!(matches!(no_message, Err(QueueError::Unavailable(_))));
    // The disconnected worker has finished the job meanwhile.
    let too_late = within_deadline("acknowledging returns", held.ack()).await;
    assert!(
        matches!(too_late, Err(QueueError::Unavailable(_))),
        "the acknowledgement should fail: its connection is closed"
    );

    proxy.heal();
    poll_until("publishing works again", async || {
        disconnected.publish(&message("job")).await.is_ok()
    })
    .await;
    receive_with_retry(&disconnected).await.ack().await.unwrap();
}

/// RabbitMQ writes the name of a new quorum queue to disk half a second after its declaration, and
/// offers no way to ask for it (`auto_save` in Ra's `ra_directory`; rabbitmq-server issue 15725).
const QUEUE_NAME_SAVED: Duration = Duration::from_secs(3);

#[tokio::test]
async fn broker_restart_loses_no_confirmed_job() {
    let server = Server::start(Service::RabbitMq).await.unwrap();
    let url = server.url();
    let queue = std::sync::Arc::new(RabbitQueue::new(&url).unwrap());
    queue.waiting().await.unwrap();
    tokio::time::sleep(QUEUE_NAME_SAVED).await;
    let mut sent = publish(&queue, 20).await;
    let held = receive_with_retry(&*queue).await;

    server.kill().await.unwrap();
    let unavailable = within_deadline("publishing returns", queue.publish(&message("job"))).await;
    assert!(
        matches!(unavailable, Err(QueueError::Unavailable(_))),
        "{unavailable:?}"
    );
    // A worker that waits during the restart.
    let waiting = queue.clone();
    let waiting = tokio::spawn(async move { receive_with_retry(&*waiting).await });
    server.start_again().await.unwrap();

    let first = waiting.await.unwrap();
    poll_until("publishing works again", async || {
        let message = message("job");
        let confirmed = queue.publish(&message).await.is_ok();
        if confirmed {
            sent.push(message);
        }
        confirmed
    })
    .await;
    assert!(
        held.ack().await.is_err(),
        "the acknowledgement should fail: its connection is closed"
    );
    let mut received = vec![first.message.id];
    first.ack().await.unwrap();
    while received.len() < sent.len() {
        let delivery = receive_with_retry(&*queue).await;
        received.push(delivery.message.id);
        delivery.ack().await.unwrap();
    }
    received.sort();
    let sent: Vec<_> = sent.iter().map(|message| message.id).collect();
    assert_eq!(
        received, sent,
        "each confirmed job should arrive once, also the one that was held"
    );
}
