//! Publishing that knows whether it worked.
//!
//! Without *publisher confirms* a publish is a line written into a socket; what becomes of it nobody says. With them the broker answers
//! each message: confirmed, once every queue that it belongs to has it on disk, or refused. One trap is left. A message that belongs to
//! *no* queue is confirmed too, as there is nothing to write; `mandatory` makes the broker send it back before the confirmation
//! (<https://www.rabbitmq.com/docs/publishers#unroutable>).
//!
//! Left out: throughput. Every message waits for its own confirmation, about a millisecond and a half each on a quorum queue; a
//! publisher with a thousand at once would send them all and then wait for all.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::connection::{Link, RabbitError, failed, within};
use super::topology::Topology;

/// How many messages one process publishes at the same time. The others wait, within their time limit.
const AT_ONCE: usize = 32;

/// How long a queue may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// How long to wait before a queue that was not ready is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// AMQP's number for "write it to disk".
const PERSISTENT: u8 = 2;

/// A message on its way out.
pub(super) struct Letter<'a> {
    /// Where to.
    pub(super) exchange: &'a str,
    /// Which queue there, or which topic.
    pub(super) routing_key: &'a str,
    /// Whether it is an error if no queue wants it.
    pub(super) mandatory: bool,
    /// Shown by the broker's tools.
    pub(super) id: &'a str,
    /// JSON.
    pub(super) body: &'a [u8],
}

/// Publishes over channels that are kept for the next message.
///
/// One message at a time for each channel. lapin (4.12) gives a message that came back to whichever confirmation it hears next, which
/// on a busy channel may be another message's: the one that got lost would pass for confirmed.
pub(super) struct Publisher {
    link: Link,
    topology: Topology,
    places: Semaphore,
    /// Channels in confirm mode, on which nothing is outstanding.
    idle: Mutex<Vec<Channel>>,
}

impl Publisher {
    pub(super) fn new(link: Link, topology: Topology) -> Self {
        Publisher {
            link,
            topology,
            places: Semaphore::new(AT_ONCE),
            idle: Mutex::default(),
        }
    }

    /// Returns once the broker has taken the message over.
    pub(super) async fn publish(&self, letter: &Letter<'_>) -> Result<(), RabbitError> {
        let outcome = within("confirm a message", self.publish_on_some_channel(letter)).await;
        if outcome.is_err() {
            // Whatever is wrong with one channel is likely to be wrong with all. The next message opens a new one, which connects if
            // need be, and declares again what may be missing.
            self.idle().clear();
        }
        outcome
    }

    /// The same, but tries again for a moment if the queue refuses: a quorum queue does so while it elects its leader, in its first moments
    /// and after a restart. One that is full goes on refusing, and its publisher hears of it that much later.
    pub(super) async fn publish_once_ready(&self, letter: &Letter<'_>) -> Result<(), RabbitError> {
        let give_up = Instant::now() + READY_WITHIN;
        loop {
            match self.publish(letter).await {
                Err(RabbitError::Refused(_)) if Instant::now() < give_up => sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    async fn publish_on_some_channel(&self, letter: &Letter<'_>) -> Result<(), RabbitError> {
        let _place = self
            .places
            .acquire()
            .await
            .expect("nobody closes the semaphore");
        let kept = self.idle().pop();
        // A channel whose connection broke while nobody used it is not this message's fault.
        let channel = match kept.filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => self.open().await?,
        };
        confirmed(&channel, letter).await?;
        // Only now: if we were dropped while waiting, the confirmation would be the next message's.
        self.idle().push(channel);
        Ok(())
    }

    /// A new channel in confirm mode. To be called inside of [`within`].
    pub(super) async fn open(&self) -> Result<Channel, RabbitError> {
        let channel = self.link.channel().await?;
        self.topology.declare(&channel).await?;
        let confirm = ConfirmSelectOptions::default();
        channel
            .confirm_select(confirm)
            .await
            .map_err(failed("confirm"))?;
        Ok(channel)
    }

    /// How many messages wait in a queue. Those in a worker's hands do not count.
    pub(super) async fn depth(&self, queue: &'static str) -> Result<usize, RabbitError> {
        within("count", async {
            let channel = self.open().await?;
            let passive = QueueDeclareOptions::default().passive();
            let queue = channel.queue_declare(queue.into(), passive, FieldTable::default());
            Ok(queue.await.map_err(failed("count"))?.message_count() as usize)
        })
        .await
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn confirmed(channel: &Channel, letter: &Letter<'_>) -> Result<(), RabbitError> {
    let options = BasicPublishOptions {
        mandatory: letter.mandatory,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_message_id(letter.id.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT);
    let (exchange, routing_key) = (letter.exchange.into(), letter.routing_key.into());
    let confirmation = channel
        .basic_publish(exchange, routing_key, options, letter.body, properties)
        .await
        .map_err(failed("take a message"))?
        .await
        .map_err(failed("confirm a message"))?;
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(_)) | Confirmation::NotRequested => {
            Err(RabbitError::Unroutable(letter.routing_key.to_owned()))
        }
        Confirmation::Nack(_) => Err(RabbitError::Refused(letter.routing_key.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::super::topology::{DEFAULT_EXCHANGE, JOBS};
    use super::*;

    #[tokio::test]
    async fn of_many_at_once_exactly_those_without_a_queue_fail() {
        let broker = testbed::rabbitmq().await.unwrap();
        let link = Link::to(&broker.url(), "test").unwrap();
        let publisher = Publisher::new(link, Topology::Jobs { capacity: 1_000 });
        // A quorum queue refuses messages in its first moments.
        while publisher.publish(&letter(JOBS)).await.is_err() {}
        let publish = async |number: usize| {
            let routing_key = if number.is_multiple_of(2) {
                JOBS
            } else {
                "nowhere"
            };
            (routing_key, publisher.publish(&letter(routing_key)).await)
        };
        for (routing_key, outcome) in join_all((0..600).map(publish)).await {
            let is_as_it_should_be = match outcome {
                Ok(()) => routing_key == JOBS,
                Err(RabbitError::Unroutable(_)) => routing_key == "nowhere",
                Err(_) => false,
            };
            assert!(
                is_as_it_should_be,
                "one message got another one's confirmation: {routing_key}, {outcome:?}"
            );
        }
        assert_eq!(publisher.depth(JOBS).await.unwrap(), 301);
    }

    fn letter(routing_key: &str) -> Letter<'_> {
        Letter {
            exchange: DEFAULT_EXCHANGE,
            routing_key,
            mandatory: true,
            id: "",
            body: b"{}",
        }
    }
}
