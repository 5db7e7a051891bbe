//! The job queue in RabbitMQ.

use std::sync::Arc;

use async_trait::async_trait;

use super::delivery::Delivery;
use super::error::QueueError;
use super::job_queue::JobQueue;
use crate::jobs::JobMessage;
use crate::rabbitmq::{
    BrokerConnection, ConfirmedPublisher, ConsumerPool, DEFAULT_EXCHANGE, JOBS, OutgoingMessage,
    RabbitError, Topology,
};

/// The settings of a [`RabbitQueue`].
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// How many unacknowledged messages each worker of this process may hold. 1 suits long jobs: no
    /// message waits at a busy worker. A larger number is faster for short jobs.
    pub prefetch: u16,
    /// How many messages may wait before the broker refuses more. All processes must use the same
    /// number. The broker checks it only from time to time, so a few more messages may get in.
    pub capacity: u32,
}

impl Default for QueueSettings {
    fn default() -> Self {
        QueueSettings {
            prefetch: 1,
            capacity: 10_000,
        }
    }
}

/// A durable queue in a RabbitMQ server. One value serves all workers and publishers of a process.
///
/// If the broker is unavailable, each call returns an error within
/// [`OPERATION_TIMEOUT`](crate::rabbitmq::OPERATION_TIMEOUT). A call that waits for a message needs
/// two heartbeats more. When the broker is back, the next call connects again.
pub struct RabbitQueue {
    pub(super) publisher: Arc<ConfirmedPublisher>,
    consumers: Arc<ConsumerPool>,
    capacity: u32,
}

impl RabbitQueue {
    /// The queue of the broker at `url`, such as `amqp://user:password@localhost:5672/%2f`.
    ///
    /// The first use connects. Until then the broker may be unavailable.
    pub fn new(url: &str) -> Result<Self, RabbitError> {
        RabbitQueue::with_settings(url, QueueSettings::default())
    }

    /// The same with other [`QueueSettings`].
    pub fn with_settings(url: &str, settings: QueueSettings) -> Result<Self, RabbitError> {
        let QueueSettings { prefetch, capacity } = settings;
        let topology = Topology::Jobs { capacity };
        let publisher = Arc::new(ConfirmedPublisher::new(
            BrokerConnection::new(url, "jobs: publishing")?,
            topology.clone(),
        ));
        let connection = BrokerConnection::new(url, "jobs: consuming")?;
        Ok(RabbitQueue {
            consumers: ConsumerPool::new(connection, topology, JOBS, prefetch, publisher.clone()),
            publisher,
            capacity,
        })
    }

    /// How many jobs wait for a worker.
    pub async fn waiting(&self) -> Result<usize, RabbitError> {
        self.publisher.message_count(JOBS).await
    }
}

#[async_trait]
impl JobQueue for RabbitQueue {
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError> {
        let body = serde_json::to_vec(message).expect("a job message has only string keys");
        let id = message.id.to_string();
        let message = OutgoingMessage {
            exchange: DEFAULT_EXCHANGE,
            routing_key: JOBS,
            mandatory: true,
            id: &id,
            body: &body,
        };
        match self.publisher.publish_when_ready(&message).await {
            Err(RabbitError::Rejected(queue)) => match self.waiting().await {
                Ok(waiting) if waiting >= self.capacity as usize => Err(QueueError::Full(waiting)),
                _ => Err(RabbitError::Rejected(queue).into()),
            },
            outcome => Ok(outcome?),
        }
    }

    async fn receive(&self) -> Result<Delivery<JobMessage>, QueueError> {
        loop {
            let received = self.consumers.receive().await?;
            match serde_json::from_slice(received.body()) {
                Ok(message) => return Ok(Delivery::new(message, Box::new(received))),
                // Back at the front, one worker after another would read it, for ever.
                Err(error) => {
                    let body = String::from_utf8_lossy(received.body()).into_owned();
                    tracing::error!(%error, body, "a message is not a job; it becomes a dead letter");
                    received.dead_letter().await?;
                }
            }
        }
    }
}
