//! Jobs on RabbitMQ.

use std::sync::Arc;

use async_trait::async_trait;

use super::connection::{Link, RabbitError};
use super::consumer::Consumers;
use super::publisher::{Letter, Publisher};
use super::topology::{DEFAULT_EXCHANGE, JOBS, Topology};
use crate::job::JobMessage;
use crate::queue::{Delivery, JobQueue, QueueError};

/// What can be chosen about a queue.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many messages each worker of this process may hold that it has not acknowledged. 1 is fair for long jobs: nothing waits in
    /// the pocket of a busy worker. More is faster for short ones.
    pub prefetch: u16,
    /// How many messages may wait before the broker refuses more. All processes of a store have to say the same. The broker looks only
    /// now and then, so some more may slip in.
    pub capacity: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            prefetch: 1,
            capacity: 10_000,
        }
    }
}

/// A durable queue in a RabbitMQ server. One value serves all workers and all publishers of a process.
///
/// When the broker is away, each call says so within [`ANSWER_WITHIN`](super::ANSWER_WITHIN), and one that waits for a message within
/// two heartbeats and that; the calls after its return find it again by themselves.
pub struct RabbitQueue {
    pub(super) publisher: Arc<Publisher>,
    consumers: Arc<Consumers>,
    capacity: u32,
}

impl RabbitQueue {
    /// The queue of the broker at `url`, such as `amqp://user:password@localhost:5672/%2f`. Nothing is sent yet: the first use connects,
    /// and a broker that is away now may be back by then.
    pub fn new(url: &str) -> Result<Self, RabbitError> {
        RabbitQueue::with(url, Settings::default())
    }

    /// The same with other [`Settings`].
    pub fn with(url: &str, settings: Settings) -> Result<Self, RabbitError> {
        let Settings { prefetch, capacity } = settings;
        let topology = Topology::Jobs { capacity };
        let publisher = Arc::new(Publisher::new(
            Link::to(url, "jobs: publishing")?,
            topology.clone(),
        ));
        let link = Link::to(url, "jobs: consuming")?;
        Ok(RabbitQueue {
            consumers: Consumers::new(link, topology, JOBS, prefetch, publisher.clone()),
            publisher,
            capacity,
        })
    }

    /// How many jobs wait for a worker.
    pub async fn waiting(&self) -> Result<usize, RabbitError> {
        self.publisher.depth(JOBS).await
    }
}

#[async_trait]
impl JobQueue for RabbitQueue {
    async fn publish(&self, message: &JobMessage) -> Result<(), QueueError> {
        let body = serde_json::to_vec(message).expect("a job message has only string keys");
        let id = message.id.to_string();
        let letter = Letter {
            exchange: DEFAULT_EXCHANGE,
            routing_key: JOBS,
            mandatory: true,
            id: &id,
            body: &body,
        };
        match self.publisher.publish_once_ready(&letter).await {
            Err(RabbitError::Refused(refused)) => match self.waiting().await {
                Ok(waiting) if waiting >= self.capacity as usize => Err(QueueError::Full(waiting)),
                _ => Err(RabbitError::Refused(refused).into()),
            },
            outcome => Ok(outcome?),
        }
    }

    async fn receive(&self) -> Result<Delivery, QueueError> {
        loop {
            let taken = self.consumers.next().await?;
            match serde_json::from_slice(taken.body()) {
                Ok(message) => return Ok(Delivery::new(message, Box::new(taken))),
                // At the front again, it would be read by worker after worker, for ever.
                Err(error) => {
                    let text = String::from_utf8_lossy(taken.body()).into_owned();
                    tracing::error!(%error, text, "this is not a job; it goes to the dead letters");
                    taken.bury().await?;
                }
            }
        }
    }
}
