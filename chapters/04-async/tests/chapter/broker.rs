//! What only a broker promises, and what happens when it is full, away or cut off.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ch04_async::rabbit::{ANSWER_WITHIN, DEAD_JOBS, JOBS, RabbitQueue, Settings};
use ch04_async::{JobMessage, JobQueue, QueueError};
use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use testbed::{Fault, FaultProxy, Server, Service};

use crate::support::{message, receive_at_last, until, within_the_deadline};

/// A channel of somebody else's, who does not keep to our rules.
async fn stranger(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn smuggle(channel: &Channel, queue: &str, body: &[u8]) {
    let properties = BasicProperties::default();
    let options = BasicPublishOptions::default();
    channel
        .basic_publish("".into(), queue.into(), options, body, properties)
        .await
        .unwrap();
}

async fn published(queue: &RabbitQueue, count: usize) -> Vec<JobMessage> {
    let sent: Vec<_> = (0..count).map(|_| message("job")).collect();
    for message in &sent {
        queue.publish(message).await.unwrap();
    }
    sent
}

#[tokio::test]
async fn a_job_for_which_there_is_no_queue_is_an_error_and_the_next_one_finds_its_queue() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    published(&queue, 1).await;
    let (_connection, channel) = stranger(&broker.url()).await;
    channel
        .queue_delete(JOBS.into(), QueueDeleteOptions::default())
        .await
        .unwrap();

    let lost = queue.publish(&message("job")).await;

    let Err(QueueError::Unavailable(reason)) = lost else {
        panic!("the broker threw the message away, and it passed for confirmed: {lost:?}");
    };
    assert!(
        reason.to_string().contains("no queue for \"jobs\""),
        "{reason}"
    );
    published(&queue, 1).await;
    assert_eq!(queue.waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn a_message_that_is_no_job_becomes_a_dead_letter_and_its_neighbours_go_on() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let first = published(&queue, 1).await;
    let (_connection, channel) = stranger(&broker.url()).await;
    smuggle(&channel, JOBS, b"{\"id\": 7}").await;
    until("the poison is on the queue", async || {
        queue.waiting().await.unwrap() == 2
    })
    .await;
    let second = published(&queue, 1).await;

    for expected in [&first[0], &second[0]] {
        let delivery = receive_at_last(&queue).await;
        assert_eq!(&delivery.message, expected);
        delivery.ack().await.unwrap();
    }
    until("it is a dead letter", async || {
        queue.dead_letters().await.unwrap() == 1
    })
    .await;
    let letter = channel
        .basic_get(DEAD_JOBS.into(), BasicGetOptions::default())
        .await
        .unwrap()
        .unwrap();
    let headers = letter.delivery.properties.headers().clone().unwrap();
    let reason = headers.inner().get("x-last-death-reason").unwrap();
    assert_eq!(
        reason.as_long_string().unwrap().as_bytes(),
        b"rejected",
        "it went round and round until the broker had enough of it"
    );
}

#[tokio::test]
async fn a_dead_letter_that_is_put_back_is_a_job_again() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let understood_by_now = message("job");
    assert_eq!(queue.dead_letters().await.unwrap(), 0);
    let (_connection, channel) = stranger(&broker.url()).await;
    smuggle(
        &channel,
        DEAD_JOBS,
        &serde_json::to_vec(&understood_by_now).unwrap(),
    )
    .await;
    until("it is a dead letter", async || {
        queue.dead_letters().await.unwrap() == 1
    })
    .await;

    assert_eq!(queue.replay_dead_letters().await.unwrap(), 1);

    let delivery = receive_at_last(&queue).await;
    assert_eq!(delivery.message, understood_by_now);
    delivery.ack().await.unwrap();
    until("no copy stays behind", async || {
        queue.dead_letters().await.unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_refuses_new_jobs_but_none_that_it_has_confirmed() {
    let broker = testbed::rabbitmq().await.unwrap();
    let settings = Settings {
        capacity: 3,
        ..Settings::default()
    };
    let queue = RabbitQueue::with(&broker.url(), settings).unwrap();
    let mut confirmed = fill(&queue).await;
    let failed = receive_at_last(&queue).await;
    confirmed += fill(&queue).await;

    failed
        .requeue()
        .await
        .expect("a message that was confirmed once may not be refused");

    let mut received = BTreeSet::new();
    for _ in 0..confirmed {
        let delivery = receive_at_last(&queue).await;
        received.insert(delivery.message.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(
        received.len(),
        confirmed,
        "one was dropped to make room, or came twice"
    );
    assert_eq!(queue.waiting().await.unwrap(), 0);
    until("there is room again", async || {
        queue.publish(&message("job")).await.is_ok()
    })
    .await;
}

/// Publishes until the queue is full. The limit is soft: how many slip in before the broker has noticed differs.
async fn fill(queue: &RabbitQueue) -> usize {
    for confirmed in 0..100 {
        match queue.publish(&message("job")).await {
            Ok(()) => {}
            Err(QueueError::Full(_)) => return confirmed,
            Err(error) => panic!("{}", error.with_causes()),
        }
    }
    panic!("the queue grows without a bound");
}

#[tokio::test]
async fn a_dropped_job_comes_before_those_that_nobody_has_received_yet() {
    let broker = testbed::rabbitmq().await.unwrap();
    let queue = RabbitQueue::new(&broker.url()).unwrap();
    let sent = published(&queue, 3).await;

    let in_hand = receive_at_last(&queue).await;
    until("one is in hand", async || {
        queue.waiting().await.unwrap() == 2
    })
    .await;
    drop(in_hand);
    until("it is back", async || queue.waiting().await.unwrap() == 3).await;

    let next = receive_at_last(&queue).await;
    assert_eq!(
        next.message, sent[0],
        "its worker died, and it has waited longest"
    );
}

#[tokio::test]
async fn what_lies_in_a_workers_pocket_depends_on_the_prefetch() {
    for (prefetch, left_for_others) in [(1, 4), (3, 2), (100, 0)] {
        let broker = testbed::rabbitmq().await.unwrap();
        let settings = Settings {
            prefetch,
            ..Settings::default()
        };
        let queue = RabbitQueue::with(&broker.url(), settings).unwrap();
        published(&queue, 5).await;
        let in_hand = receive_at_last(&queue).await;
        let what =
            format!("with a prefetch of {prefetch}, {left_for_others} of 5 are left for others");
        until(&what, async || {
            queue.waiting().await.unwrap() == left_for_others
        })
        .await;
        drop(in_hand);
        until("all come back, from hand and pocket", async || {
            queue.waiting().await.unwrap() == 5
        })
        .await;
    }
}

#[tokio::test]
async fn a_receiver_that_gives_up_takes_no_job_along() {
    let (broker, proxy, through_the_proxy) = broker_behind_a_proxy().await;
    let far_away = RabbitQueue::new(&through_the_proxy).unwrap();
    let sent = published(&far_away, 1).await;
    let delay = Duration::from_millis(10);
    let jitter = Duration::ZERO;
    drop(receive_at_last(&far_away).await);
    proxy.inject(Fault::Latency { delay, jitter });

    // Given up at every moment of the way from "open a channel" to "here it is", five round trips of 20 milliseconds.
    for after in (0..150).step_by(5) {
        let _ = tokio::time::timeout(Duration::from_millis(after), far_away.receive()).await;
    }

    let near = RabbitQueue::new(&broker.url()).unwrap();
    let delivery = receive_at_last(&near).await;
    assert_eq!(delivery.message, sent[0]);
}

/// A broker, and a proxy before it with the broker's URL through the proxy.
async fn broker_behind_a_proxy() -> (testbed::RabbitMq, FaultProxy, String) {
    let broker = testbed::rabbitmq().await.unwrap();
    let address = testbed::shared(Service::RabbitMq).await.unwrap().address();
    let proxy = FaultProxy::before(address).await.unwrap();
    let url = broker
        .url()
        .replace(&address.to_string(), &proxy.address().to_string());
    (broker, proxy, url)
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_reported_and_so_is_an_address_that_is_none() {
    // Port 1 is nobody's.
    let queue = RabbitQueue::new("amqp://127.0.0.1:1/%2f").unwrap();
    let begin = Instant::now();
    assert!(matches!(
        queue.publish(&message("job")).await,
        Err(QueueError::Unavailable(_))
    ));
    assert!(matches!(
        queue.receive().await,
        Err(QueueError::Unavailable(_))
    ));
    assert!(begin.elapsed() < 2 * ANSWER_WITHIN + Duration::from_secs(5));

    let nonsense = RabbitQueue::new("localhost:5672").err().unwrap();
    let expected = "\"localhost:5672\" is not the address of a RabbitMQ server; write amqp://USER:PASSWORD@HOST:PORT/VHOST";
    assert_eq!(nonsense.to_string(), expected);
}

#[tokio::test]
async fn a_broker_that_says_nothing_is_reported_and_its_worker_loses_the_job_to_another() {
    let (broker, proxy, through_the_proxy) = broker_behind_a_proxy().await;
    let cut_off = RabbitQueue::new(&through_the_proxy).unwrap();
    let sent = published(&cut_off, 1).await;
    let in_hand = receive_at_last(&cut_off).await;

    proxy.inject(Fault::Blackhole);

    let begin = Instant::now();
    let lost = within_the_deadline("publishing hangs", cut_off.publish(&message("job"))).await;
    assert!(matches!(lost, Err(QueueError::Unavailable(_))), "{lost:?}");
    let patience = begin.elapsed();
    assert!(
        patience < 2 * ANSWER_WITHIN,
        "reported only after {patience:?}"
    );

    let other = RabbitQueue::new(&broker.url()).unwrap();
    let (received, heard_nothing) = futures_util::join!(
        receive_at_last(&other),
        within_the_deadline("receiving hangs", cut_off.receive())
    );
    assert_eq!(
        received.message, sent[0],
        "the worker's job is stuck with the worker"
    );
    received.ack().await.unwrap();
    assert!(matches!(heard_nothing, Err(QueueError::Unavailable(_))));
    // The worker has worked on, and is done now.
    let too_late = within_the_deadline("acknowledging hangs", in_hand.ack()).await;
    assert!(
        matches!(too_late, Err(QueueError::Unavailable(_))),
        "acknowledged over a connection that is gone"
    );

    proxy.heal();
    until("publishing works again by itself", async || {
        cut_off.publish(&message("job")).await.is_ok()
    })
    .await;
    receive_at_last(&cut_off).await.ack().await.unwrap();
}

/// A broker that is killed within half a second of a quorum queue's declaration does not find the queue again: the list of names is
/// written only then (`auto_save` in Ra's `ra_directory`; rabbitmq-server issue 15725). There is nothing to be asked whether it has been.
const QUEUE_IS_KNOWN: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_restart_of_the_broker_loses_no_confirmed_job() {
    let server = Server::start(Service::RabbitMq).await.unwrap();
    let url = server.url();
    let queue = std::sync::Arc::new(RabbitQueue::new(&url).unwrap());
    queue.waiting().await.unwrap();
    tokio::time::sleep(QUEUE_IS_KNOWN).await;
    let mut sent = published(&queue, 20).await;
    let in_hand = receive_at_last(&*queue).await;

    server.kill().await.unwrap();
    let away = within_the_deadline("publishing hangs", queue.publish(&message("job"))).await;
    assert!(matches!(away, Err(QueueError::Unavailable(_))), "{away:?}");
    // A worker that waited all the while.
    let waiting = queue.clone();
    let waiting = tokio::spawn(async move { receive_at_last(&*waiting).await });
    server.start_again().await.unwrap();

    let first = waiting.await.unwrap();
    until("publishing works again by itself", async || {
        let message = message("job");
        let confirmed = queue.publish(&message).await.is_ok();
        if confirmed {
            sent.push(message);
        }
        confirmed
    })
    .await;
    assert!(
        in_hand.ack().await.is_err(),
        "acknowledged over a connection that is gone"
    );
    let mut received = vec![first.message.id];
    first.ack().await.unwrap();
    while received.len() < sent.len() {
        let delivery = receive_at_last(&*queue).await;
        received.push(delivery.message.id);
        delivery.ack().await.unwrap();
    }
    received.sort();
    let sent: Vec<_> = sent.iter().map(|message| message.id).collect();
    assert_eq!(
        received, sent,
        "each confirmed job once, and the one that was in hand too"
    );
}
