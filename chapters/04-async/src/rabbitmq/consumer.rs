//! Deliveries from the broker: how they arrive, and how they are acknowledged or returned.
//!
//! The broker pushes. An open consumer gets messages until it has *prefetch* unacknowledged ones,
//! whether or not a worker waits for them. A prefetch of 1 suits long jobs: a second message would
//! wait at a busy worker while other workers are idle. With 100, a worker whose jobs take a
//! millisecond does not wait for the broker between them.
//!
//! Prefetched messages must not stay with a worker that does not come back. The pool therefore
//! closes a consumer when its worker drops a message (for example because the process is killed),
//! stops waiting, or does not call again within [`IDLE_TIMEOUT`]. The broker then takes back all
//! messages that it had sent to this consumer.
//!
//! Left out: keeping a message longer than the broker's `consumer_timeout`, 30 minutes by default.
//! After that the broker closes the channel and gives the message to another worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use parking_lot::Mutex;

use super::connection::BrokerConnection;
use super::error::{RabbitError, with_timeout};
use super::publisher::{ConfirmedPublisher, OutgoingMessage};
use super::topology::{DEFAULT_EXCHANGE, Topology};
use crate::queue::{AckHandle, QueueError};

/// How long a consumer stays open after an acknowledgement until its worker calls `receive` again.
const IDLE_TIMEOUT: Duration = Duration::from_millis(250);

/// The consumers of one queue in this process: one for each worker that waits or works.
pub(crate) struct ConsumerPool {
    connection: BrokerConnection,
    topology: Topology,
    queue: String,
    prefetch: u16,
    /// Publishes the copies that go to the back of the queue.
    publisher: Arc<ConfirmedPublisher>,
    idle: Mutex<Vec<IdleConsumer>>,
    next_idle_id: AtomicU64,
}

/// A consumer between an acknowledgement and the worker's next call.
struct IdleConsumer {
    /// Tells the time-outs of several idle periods apart.
    id: u64,
    consumer: Consumer,
}

/// A delivered message that this process has not acknowledged yet. Dropping it closes its consumer,
/// and the broker takes the message back.
pub(crate) struct UnackedMessage {
    delivery: Delivery,
    consumer: Consumer,
    pool: Arc<ConsumerPool>,
}

impl ConsumerPool {
    pub(crate) fn new(
        connection: BrokerConnection,
        topology: Topology,
        queue: &str,
        prefetch: u16,
        publisher: Arc<ConfirmedPublisher>,
    ) -> Arc<Self> {
        Arc::new(ConsumerPool {
            connection,
            topology,
            queue: queue.to_owned(),
            prefetch,
            publisher,
            idle: Mutex::default(),
            next_idle_id: AtomicU64::new(0),
        })
    }

    /// Declares the queue, so that it collects messages from now on.
    pub(crate) async fn declare(&self) -> Result<(), RabbitError> {
        with_timeout("declare a queue", async {
            let channel = self.connection.open_channel().await?;
            self.topology.declare(&channel).await
        })
        .await
    }

    /// Waits for the next message. Dropping the future closes the consumer that it waits with.
    pub(crate) async fn receive(self: &Arc<Self>) -> Result<UnackedMessage, RabbitError> {
        loop {
            let idle = self.idle.lock().pop();
            let (mut consumer, is_new) = match idle {
                Some(idle) => (idle.consumer, false),
                None => (self.open_consumer().await?, true),
            };
            match consumer.next().await {
                // A prefetched message of a dead connection. Another worker has it by now.
                Some(Ok(delivery)) if !delivery.acker.usable() => {}
                Some(Ok(delivery)) => {
                    return Ok(UnackedMessage {
                        delivery,
                        consumer,
                        pool: self.clone(),
                    });
                }
                Some(Err(error)) if is_new => return Err(error.into()),
                // The broker has closed the consumer: the queue was deleted.
                None if is_new => return Err(RabbitError::ConnectionLost),
                // An old consumer whose connection is lost. A new one shows the present state.
                Some(Err(_)) | None => {}
            }
        }
    }

    /// Opens a consumer on a separate task, which runs to its end even if the caller stops waiting.
    ///
    /// A caller that drops the request half-way would leave a consumer open in the broker that no
    /// worker in this process reads from. It would swallow a message. This way the consumer is
    /// opened completely and then closed.
    async fn open_consumer(self: &Arc<Self>) -> Result<Consumer, RabbitError> {
        let pool = self.clone();
        let opening = tokio::spawn(async move { pool.consume().await });
        with_timeout("open a consumer", async {
            opening.await.unwrap_or(Err(RabbitError::ConnectionLost))
        })
        .await
    }

    async fn consume(&self) -> Result<Consumer, RabbitError> {
        let channel = self.connection.open_channel().await?;
        self.topology.declare(&channel).await?;
        let qos = BasicQosOptions::default();
        channel.basic_qos(self.prefetch, qos).await?;
        // With an empty tag, the broker chooses one that is not taken.
        let (queue, consumer_tag) = (self.queue.as_str().into(), "".into());
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(queue, consumer_tag, options, FieldTable::default());
        Ok(consume.await?)
    }

    /// Keeps a consumer open for the worker's next call, for at most [`IDLE_TIMEOUT`].
    fn keep_idle(self: &Arc<Self>, consumer: Consumer) {
        let id = self.next_idle_id.fetch_add(1, Ordering::Relaxed);
        self.idle.lock().push(IdleConsumer { id, consumer });
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(IDLE_TIMEOUT).await;
            if let Some(pool) = pool.upgrade() {
                pool.idle.lock().retain(|idle| idle.id != id);
            }
        });
    }
}

impl UnackedMessage {
    pub(crate) fn body(&self) -> &[u8] {
        &self.delivery.data
    }

    /// Moves the message to the dead-letter queue: no worker can process it, and it must not keep
    /// others waiting.
    pub(crate) async fn dead_letter(self) -> Result<(), RabbitError> {
        let options = BasicNackOptions {
            requeue: false,
            ..BasicNackOptions::default()
        };
        self.settle(async |delivery| delivery.acker.nack(options).await)
            .await
    }

    async fn acknowledge(self) -> Result<(), RabbitError> {
        let options = BasicAckOptions::default();
        self.settle(async |delivery| delivery.acker.ack(options).await)
            .await
    }

    /// Sends an ack or a nack. The broker does not confirm it: `Ok` means that it left this process
    /// over a connection that seemed open. If it gets lost, the broker delivers the message again.
    async fn settle(
        self,
        send: impl AsyncFnOnce(&Delivery) -> lapin::Result<bool>,
    ) -> Result<(), RabbitError> {
        let was_sent = with_timeout("take an acknowledgement", send(&self.delivery)).await?;
        if !was_sent {
            return Err(RabbitError::ConnectionLost);
        }
        self.pool.keep_idle(self.consumer);
        Ok(())
    }
}

#[async_trait]
impl AckHandle for UnackedMessage {
    async fn ack(self: Box<Self>) -> Result<(), QueueError> {
        Ok(self.acknowledge().await?)
    }

    /// Publishes a copy to the back of the queue, then acknowledges the original.
    ///
    /// A plain nack would put the message at the *front* again, where a failing job keeps all
    /// others waiting, and would count towards the delivery limit. A crash between the two steps
    /// leaves two copies. The worker then sees in the job's record what is done already.
    async fn requeue(self: Box<Self>) -> Result<(), QueueError> {
        let id = self.delivery.properties.message_id().as_ref();
        let copy = OutgoingMessage {
            exchange: DEFAULT_EXCHANGE,
            routing_key: &self.pool.queue,
            mandatory: true,
            id: id.map_or("", |id| id.as_str()),
            body: &self.delivery.data,
        };
        match self.pool.publisher.publish(&copy).await {
            Ok(()) => Ok(self.acknowledge().await?),
            // The queue has no room for a copy, and the original may not be refused. Dropping it
            // returns it to the front.
            Err(RabbitError::Rejected(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
