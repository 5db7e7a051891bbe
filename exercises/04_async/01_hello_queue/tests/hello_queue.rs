// The tests of `hello_queue`: a sender and a real RabbitMQ. The tests wait for answers of the
// broker and not for a given time.

use std::time::Duration;

use hello_queue::{CAPACITY, QUEUE, QueueError, Sender, channel, connect};
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions,
};
use lapin::{BasicProperties, Channel, Connection};
use testbed::{Fault, FaultProxy, RabbitMq};

/// Waits for something that must happen, and panics with `problem` after 15 s.
async fn within_deadline<T>(problem: &str, what: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(Duration::from_secs(15), what).await;
    outcome.unwrap_or_else(|_| panic!("waited for 15 s: {problem}"))
}

/// A virtual host with an empty queue, and a connection to it.
struct Broker {
    host: RabbitMq,
    connection: Connection,
    /// The test's own channel, with publisher confirms.
    channel: Channel,
}

impl Broker {
    async fn start() -> Broker {
        let host = testbed::rabbitmq().await.unwrap();
        let connection = connect(&host.url()).await.unwrap();
        let channel = channel(&connection).await.unwrap();
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await.unwrap();
        let broker = Broker {
            host,
            connection,
            channel,
        };
        broker.wait_until_ready().await;
        broker
    }

    /// A new quorum queue first elects its leader, and rejects messages until then.
    async fn wait_until_ready(&self) {
        let ready = async {
            while !self.accepts_a_message().await {}
            while self.take_message().await.is_none() {}
        };
        within_deadline(
            "the new queue accepts no message; is the broker overloaded?",
            ready,
        )
        .await;
    }

    async fn accepts_a_message(&self) -> bool {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let publish =
            self.channel
                .basic_publish("".into(), QUEUE.into(), options, b"first", properties);
        publish.await.unwrap().await.unwrap().is_ack()
    }

    async fn take_message(&self) -> Option<BasicGetMessage> {
        let without_ack = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(QUEUE.into(), without_ack);
        message.await.unwrap()
    }

    async fn sender(&self) -> Sender {
        Sender::open(&self.connection).await.unwrap()
    }

    /// Sends "export 1", and takes the message from the queue.
    async fn sent_message(&self) -> BasicGetMessage {
        let sent = within_deadline(
            "`send` does not return for a job that the queue accepts; what does it wait for?",
            self.sender().await.send("export 1"),
        )
        .await;
        assert!(
            sent.is_ok(),
            "the queue accepts the job, but `send` returned {sent:?}. How do you match on the \
             confirmation?"
        );
        let message = async {
            loop {
                if let Some(message) = self.take_message().await {
                    return message;
                }
            }
        };
        within_deadline(
            "`send` returned `Ok`, but the job is not in the queue. Which exchange and which \
             routing key do you publish with?",
            message,
        )
        .await
    }
}

// Rule 1. The connection breaks after the first byte of the job, so the broker never has it.
#[tokio::test]
async fn unconfirmed_job_is_an_error() {
    let broker = Broker::start().await;
    let proxy = FaultProxy::before(broker.host.address()).await.unwrap();
    let connection = connect(&broker.host.url_through(proxy.address()))
        .await
        .unwrap();
    let mut sender = Sender::open(&connection).await.unwrap();

    proxy.inject(Fault::CutAfter { bytes: 1 });

    let sent = within_deadline(
        "the connection is broken, but `send` does not return; do you retry without end?",
        sender.send("export 1"),
    )
    .await;
    assert!(
        matches!(sent, Err(QueueError::Broker(_))),
        "the connection broke before the broker had the job, so `send` should return \
         `Err(Broker(…))`, but it returned {sent:?}. Do you wait for the broker's answer (confirms \
         selected, two waits), and return its error?"
    );
}

// Rules 2 and 4.
#[tokio::test]
async fn job_without_a_queue_is_an_error() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let delete = QueueDeleteOptions::default();
    broker
        .channel
        .queue_delete(QUEUE.into(), delete)
        .await
        .unwrap();

    let sent = within_deadline(
        "`send` does not return for a job without a queue; do you retry without end?",
        sender.send("export 1"),
    )
    .await;

    assert!(
        matches!(sent, Err(QueueError::Unroutable)),
        "the queue does not exist and the job is lost, but `send` returned {sent:?}. The broker \
         confirms such a message too. Do you publish with `mandatory`, and check whether the \
         confirmation has a returned message?"
    );

    // Declares the queue again.
    channel(&broker.connection).await.unwrap();
    broker.wait_until_ready().await;
    let sent = within_deadline(
        "`send` does not return for the first job after the queue is back; what does it wait for?",
        sender.send("export 2"),
    )
    .await;
    assert!(
        sent.is_ok(),
        "the queue is back, but the sender that got `Unroutable` before now gets {sent:?}. Does \
         `send` ask whether the queue exists? That answer can be outdated when the job arrives, \
         and it closes the channel if there is no queue. Does an error stop your sender?"
    );
}

// Rules 3 and 4.
#[tokio::test]
async fn full_queue_rejects_the_job() {
    let broker = Broker::start().await;
    let mut sender = broker.sender().await;
    let sending = async {
        for number in 0..CAPACITY * 10 {
            if let Err(error) = sender.send(&format!("export {number}")).await {
                return Some(error);
            }
        }
        None
    };

    let error = within_deadline(
        "`send` does not return for one of 200 jobs, and the queue holds 20: do you retry a \
         rejected job without end, or wait for a confirmation without having asked for confirms?",
        sending,
    )
    .await;

    assert!(
        matches!(error, Some(QueueError::Rejected)),
        "the sender sent ten times as many jobs as the queue holds, but the first error was \
         {error:?}. Do you wait for the confirmation, and treat `Nack` as an error?"
    );

    while broker.take_message().await.is_some() {}
    let sending = async {
        loop {
            match sender.send("export").await {
                // The queue notices a moment later that it is no longer full.
                Err(QueueError::Rejected) => {}
                sent => return sent,
            }
        }
    };
    let sent = within_deadline(
        "the queue is empty again, but `send` rejects every job: do you remember the rejection?",
        sending,
    )
    .await;
    assert!(
        sent.is_ok(),
        "the queue is empty again, but the sender that got `Rejected` before now gets {sent:?}. \
         Does an error stop your sender?"
    );
}

// Rule 5.
#[tokio::test]
async fn jobs_are_persistent_messages() {
    let broker = Broker::start().await;

    let message = broker.sent_message().await;

    let mode = *message.delivery.properties.delivery_mode();
    assert_eq!(
        mode,
        Some(2),
        "the job's delivery mode is {mode:?}, but a persistent message has 2. Which properties do \
         you publish it with?"
    );
    let body = String::from_utf8_lossy(&message.delivery.data);
    assert_eq!(
        body, "export 1",
        "the message's body should be the text of the job; what do you publish?"
    );
}

// Rule 6.
#[tokio::test]
async fn jobs_do_not_expire() {
    let broker = Broker::start().await;

    let message = broker.sent_message().await;

    let expiration = message.delivery.properties.expiration();
    assert!(
        expiration.is_none(),
        "the broker would discard this job after {expiration:?} ms, but a job waits until a worker \
         takes it. Which property limits its time in the queue?"
    );
}
