//! Publishing with *publisher confirms*: the publisher learns what became of each message.
//!
//! Without confirms, a publish is only bytes in a socket. With them the broker confirms a message
//! once every queue that it belongs to has it on disk, or rejects it. A message that belongs to
//! *no* queue is confirmed too, because there is nothing to write. `mandatory` makes the broker
//! send it back before the confirmation (<https://www.rabbitmq.com/docs/publishers#unroutable>).
//!
//! Left out: throughput. Every message waits for its own confirmation, about 1.5 ms on a quorum
//! queue. A publisher of thousands would send them all and then wait for all.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::connection::BrokerConnection;
use super::error::{RabbitError, with_timeout};
use super::topology::Topology;

/// How many messages one process publishes at the same time. The others wait, within their
/// time-out.
const MAX_CONCURRENT_PUBLISHES: usize = 32;

/// How long to retry a message that a queue rejects because it is not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause between two such attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The delivery mode with which AMQP asks the broker to write a message to disk.
const PERSISTENT: u8 = 2;

/// A message to publish.
pub(crate) struct OutgoingMessage<'a> {
    pub(crate) exchange: &'a str,
    /// The queue's name for the default exchange, the topic for a topic exchange.
    pub(crate) routing_key: &'a str,
    /// Whether it is an error if no queue takes the message.
    pub(crate) mandatory: bool,
    /// Shown by the broker's tools.
    pub(crate) id: &'a str,
    /// JSON.
    pub(crate) body: &'a [u8],
}

/// Publishes messages, and waits for the broker's confirmation of each.
///
/// Each channel carries one message at a time. lapin (4.12) assigns a returned message to the next
/// confirmation that it receives. On a channel with several messages that may be the confirmation
/// of another message, and the returned one would count as confirmed.
pub(crate) struct ConfirmedPublisher {
    connection: BrokerConnection,
    topology: Topology,
    permits: Semaphore,
    /// Channels in confirm mode without an unconfirmed message.
    idle: Mutex<Vec<Channel>>,
}

impl ConfirmedPublisher {
    pub(crate) fn new(connection: BrokerConnection, topology: Topology) -> Self {
        ConfirmedPublisher {
            connection,
            topology,
            permits: Semaphore::new(MAX_CONCURRENT_PUBLISHES),
            idle: Mutex::default(),
        }
    }

    /// Returns once the broker has confirmed the message.
    pub(crate) async fn publish(&self, message: &OutgoingMessage<'_>) -> Result<(), RabbitError> {
        let outcome = with_timeout("confirm a message", self.publish_on_a_channel(message)).await;
        if outcome.is_err() {
            // The other channels probably have the same problem. The next message opens a new
            // channel, which connects if necessary and declares what is missing.
            self.idle.lock().clear();
        }
        outcome
    }

    /// Like [`publish`](Self::publish), but retries for a moment if the queue rejects the message.
    ///
    /// A quorum queue rejects messages while it elects its leader, after its declaration and after
    /// a restart. A full queue goes on rejecting, so its publisher gets the error a little later.
    pub(crate) async fn publish_when_ready(
        &self,
        message: &OutgoingMessage<'_>,
    ) -> Result<(), RabbitError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        loop {
            match self.publish(message).await {
                Err(RabbitError::Rejected(_)) if Instant::now() < deadline => {
                    sleep(RETRY_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn publish_on_a_channel(&self, message: &OutgoingMessage<'_>) -> Result<(), RabbitError> {
        let permit = self.permits.acquire().await;
        let _permit = permit.expect("the semaphore is never closed");
        let idle = self.idle.lock().pop();
        // The connection of an idle channel may have broken in the meantime.
        let channel = match idle.filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => self.open_channel().await?,
        };
        publish_and_confirm(&channel, message).await?;
        // Only now. If the caller drops this future before the confirmation, the channel is dropped
        // too: its next message would get this confirmation.
        self.idle.lock().push(channel);
        Ok(())
    }

    /// Opens a channel in confirm mode. Call it inside [`with_timeout`].
    pub(crate) async fn open_channel(&self) -> Result<Channel, RabbitError> {
        let channel = self.connection.open_channel().await?;
        self.topology.declare(&channel).await?;
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await?;
        Ok(channel)
    }

    /// How many messages wait in a queue. Messages that a worker holds do not count.
    pub(crate) async fn message_count(&self, queue: &'static str) -> Result<usize, RabbitError> {
        with_timeout("count the messages of a queue", async {
            let channel = self.open_channel().await?;
            let passive = QueueDeclareOptions::default().passive();
            let queue = channel.queue_declare(queue.into(), passive, FieldTable::default());
            Ok::<_, RabbitError>(queue.await?.message_count() as usize)
        })
        .await
    }
}

async fn publish_and_confirm(
    channel: &Channel,
    message: &OutgoingMessage<'_>,
) -> Result<(), RabbitError> {
    let options = BasicPublishOptions {
        mandatory: message.mandatory,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_message_id(message.id.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT);
    let (exchange, routing_key) = (message.exchange.into(), message.routing_key.into());
    let confirmation = channel
        .basic_publish(exchange, routing_key, options, message.body, properties)
        .await?
        .await?;
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) | Confirmation::NotRequested => {
            Err(RabbitError::Unroutable(message.routing_key.to_owned()))
        }
        Confirmation::Nack(_) => Err(RabbitError::Rejected(message.routing_key.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::topology::{DEFAULT_EXCHANGE, JOBS};
    use super::*;

    #[tokio::test]
    async fn only_unroutable_messages_fail() {
        let broker = testbed::rabbitmq().await.unwrap();
        let connection = BrokerConnection::new(&broker.url(), "test").unwrap();
        let publisher = ConfirmedPublisher::new(connection, Topology::Jobs { capacity: 1_000 });
        // A quorum queue rejects messages in its first moments.
        while publisher.publish(&message(JOBS)).await.is_err() {}
        let publish = async |number: usize| {
            let routing_key = if number.is_multiple_of(2) {
                JOBS
            } else {
                "nowhere"
            };
            (routing_key, publisher.publish(&message(routing_key)).await)
        };
        for (routing_key, outcome) in join_all((0..600).map(publish)).await {
            let is_expected = match outcome {
                Ok(()) => routing_key == JOBS,
                Err(RabbitError::Unroutable(_)) => routing_key == "nowhere",
                Err(_) => false,
            };
            assert!(
                is_expected,
                "a message got the confirmation of another one: {routing_key}, {outcome:?}"
            );
        }
        assert_eq!(publisher.message_count(JOBS).await.unwrap(), 301);
    }

    fn message(routing_key: &str) -> OutgoingMessage<'_> {
        OutgoingMessage {
            exchange: DEFAULT_EXCHANGE,
            routing_key,
            mandatory: true,
            id: "",
            body: b"{}",
        }
    }
}
