// Wrong: it publishes and does not wait for the confirmation.
// Says: Do you wait for the broker's answer
// Breaks: rule 1
#![allow(missing_docs, reason = "documented in the exercise")]

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

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
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let publish = self.channel.basic_publish(
            "".into(),
            QUEUE.into(),
            options,
            job.as_bytes(),
            properties,
        );
        publish.await?;
        Ok(())
    }
}
