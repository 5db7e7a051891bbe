// Wrong: it takes every confirmation for success, also for a message that was discarded.
// Says: Do you publish with `mandatory`
// Breaks: rule 2
#![allow(missing_docs, reason = "documented in the exercise")]

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

pub const QUEUE: &str = "hello";

pub const CAPACITY: u32 = 20;

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the broker returned an error or the connection broke: {0}")]
    Broker(#[from] lapin::Error),
    #[error("the queue {QUEUE:?} does not exist, so the broker discarded the job")]
    Unroutable,
    #[error("the queue {QUEUE:?} is full and rejects the job; try again later")]
    Rejected,
}

pub async fn connect(url: &str) -> Result<Connection, QueueError> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

pub async fn channel(connection: &Connection) -> Result<Channel, QueueError> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    arguments.insert("x-max-length".into(), CAPACITY.into());
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(channel)
}

pub struct Sender {
    channel: Channel,
}

impl Sender {
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        let channel = channel(connection).await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Sender { channel })
    }

    pub async fn send(&mut self, job: &str) -> Result<(), QueueError> {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let publish = self.channel.basic_publish(
            "".into(),
            QUEUE.into(),
            options,
            job.as_bytes(),
            properties,
        );
        match publish.await?.await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(QueueError::Unroutable),
            Confirmation::Nack(_) => Err(QueueError::Rejected),
            Confirmation::NotRequested => unreachable!("`open` has selected confirms"),
        }
    }
}
