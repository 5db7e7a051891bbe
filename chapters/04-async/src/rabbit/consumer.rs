//! Deliveries: how they come, how they are acknowledged, and how they go back.
//!
//! The broker pushes. A consumer that is open gets messages until it holds *prefetch* many that it has not acknowledged, whether or not
//! anybody is waiting for them. With a prefetch of 1 a worker has one message in its hands and none in its pocket, which is what
//! long jobs want: a second one would lie there while other workers are idle. With 100, a worker whose jobs take a millisecond need
//! not wait for the broker between them.
//!
//! What lies in a pocket when nobody puts a hand in any more would be stuck. So a consumer is closed, and the broker takes back all it
//! had sent there, when its worker drops a message (it was killed), stops waiting, or has not come back for [`IDLE`].
//!
//! Left out: a way to keep a message for longer than the broker's `consumer_timeout`, 30 minutes by default. It closes the
//! channel then and gives the message to another worker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;

use super::connection::{Link, RabbitError, failed, within};
use super::publisher::{Letter, Publisher};
use super::topology::{DEFAULT_EXCHANGE, Topology};
use crate::queue::{QueueError, Receipt};

/// How long a worker may take from one acknowledgement to its next `receive` before its consumer is closed.
const IDLE: Duration = Duration::from_millis(250);

/// The consumers of one queue in this process, one for each message that is waited for or worked on.
pub(super) struct Consumers {
    link: Link,
    topology: Topology,
    queue: String,
    prefetch: u16,
    /// For copies that go to the back of the queue.
    publisher: Arc<Publisher>,
    /// Consumers whose worker has acknowledged and not come back yet, each with the number of its stay.
    resting: Mutex<Vec<(u64, Consumer)>>,
    stays: AtomicU64,
}

/// A message that the broker has delivered and this process not yet answered. Dropping it closes its consumer, and the broker takes
/// the message back.
pub(super) struct Taken {
    delivery: Delivery,
    consumer: Consumer,
    consumers: Arc<Consumers>,
}

impl Consumers {
    pub(super) fn new(
        link: Link,
        topology: Topology,
        queue: &str,
        prefetch: u16,
        publisher: Arc<Publisher>,
    ) -> Arc<Self> {
        Arc::new(Consumers {
            link,
            topology,
            queue: queue.to_owned(),
            prefetch,
            publisher,
            resting: Mutex::default(),
            stays: AtomicU64::new(0),
        })
    }

    /// Declares what is missing, so that the queue fills from now on.
    pub(super) async fn prepare(&self) -> Result<(), RabbitError> {
        within("declare a queue", async {
            self.topology.declare(&self.link.channel().await?).await
        })
        .await
    }

    /// Waits for the next message. Dropping the future closes the consumer that it waited with.
    pub(super) async fn next(self: &Arc<Self>) -> Result<Taken, RabbitError> {
        loop {
            let rested = self.resting().pop();
            let (mut consumer, is_new) = match rested {
                Some((_, consumer)) => (consumer, false),
                None => (self.open().await?, true),
            };
            match consumer.next().await {
                // What a dead connection has left in the pocket belongs to others by now.
                Some(Ok(delivery)) if !delivery.acker.usable() => {}
                Some(Ok(delivery)) => {
                    return Ok(Taken {
                        delivery,
                        consumer,
                        consumers: self.clone(),
                    });
                }
                Some(Err(cause)) if is_new => {
                    return Err(RabbitError::Failed {
                        what: "go on delivering",
                        cause,
                    });
                }
                // The broker has closed it: the queue was deleted.
                None if is_new => return Err(RabbitError::Gone),
                // A consumer from before the loss. What is true now, a new one will find out.
                Some(Err(_)) | None => {}
            }
        }
    }

    /// On a task of its own, because half a consumer would be worse than none. Dropped after its request has left, it would be open
    /// in the broker and in no one's hands here, and would swallow a message. As it is, it is opened to the end and then closed.
    async fn open(self: &Arc<Self>) -> Result<Consumer, RabbitError> {
        let consumers = self.clone();
        let opening = tokio::spawn(async move { consumers.open_to_the_end().await });
        within("open a consumer", async {
            opening.await.unwrap_or(Err(RabbitError::Gone))
        })
        .await
    }

    async fn open_to_the_end(&self) -> Result<Consumer, RabbitError> {
        let channel = self.link.channel().await?;
        self.topology.declare(&channel).await?;
        let qos = channel.basic_qos(self.prefetch, BasicQosOptions::default());
        qos.await.map_err(failed("limit what it sends"))?;
        // No name of our own: the broker chooses one, and so none is taken twice.
        let (queue, name) = (self.queue.as_str().into(), "".into());
        channel
            .basic_consume(
                queue,
                name,
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(failed("open a consumer"))
    }

    /// Keeps a consumer for the worker's next call, for a while.
    fn rest(self: &Arc<Self>, consumer: Consumer) {
        let stay = self.stays.fetch_add(1, Ordering::Relaxed);
        self.resting().push((stay, consumer));
        let consumers = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE).await;
            if let Some(consumers) = consumers.upgrade() {
                consumers.resting().retain(|(number, _)| *number != stay);
            }
        });
    }

    fn resting(&self) -> MutexGuard<'_, Vec<(u64, Consumer)>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    pub(super) fn body(&self) -> &[u8] {
        &self.delivery.data
    }

    /// Makes it a dead letter: nobody can work on it, and it must not keep others waiting.
    pub(super) async fn bury(self) -> Result<(), RabbitError> {
        let options = BasicNackOptions {
            requeue: false,
            ..BasicNackOptions::default()
        };
        self.answer(async |delivery| delivery.acker.nack(options).await)
            .await
    }

    async fn forget(self) -> Result<(), RabbitError> {
        self.answer(async |delivery| delivery.acker.ack(BasicAckOptions::default()).await)
            .await
    }

    /// An answer is sent and not confirmed: `Ok` says that it left this process over a connection that seemed whole. If the broker
    /// never hears it, the message comes again.
    async fn answer(
        self,
        how: impl AsyncFnOnce(&Delivery) -> lapin::Result<bool>,
    ) -> Result<(), RabbitError> {
        let answered = within("take an answer", async {
            how(&self.delivery).await.map_err(failed("take an answer"))
        })
        .await?;
        if !answered {
            return Err(RabbitError::Gone);
        }
        self.consumers.rest(self.consumer);
        Ok(())
    }
}

#[async_trait]
impl Receipt for Taken {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        Ok(self.forget().await?)
    }

    /// Puts a copy at the back, and then forgets the original. A plain nack would put it at the *front* again, where a job that
    /// fails keeps all others waiting, and would count towards the delivery limit. If we die between the two steps, there are two of
    /// it, as after any other second delivery, and a worker finds on the board's record what is done already.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError> {
        let id = self.delivery.properties.message_id().as_ref();
        let copy = Letter {
            exchange: DEFAULT_EXCHANGE,
            routing_key: &self.consumers.queue,
            mandatory: true,
            id: id.map_or("", |id| id.as_str()),
            body: &self.delivery.data,
        };
        match self.consumers.publisher.publish(&copy).await {
            Ok(()) => Ok(self.forget().await?),
            // There is no room for a copy, and the original may not be refused. Dropped, it goes back to the front.
            Err(RabbitError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
