// Wrong: with automatic acknowledgement, the broker forgets a job when it delivers it.
// Says: was the job acknowledged before the work?
#![allow(missing_docs, reason = "documented in the exercise")]

use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};

pub const QUEUE: &str = "hello";

pub const CAPACITY: u32 = 20;

#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("the broker returned an error or the connection broke: {0}")]
    Broker(#[from] lapin::Error),
    #[error("the queue does not exist, so the broker discarded the job")]
    Unroutable,
    #[error("the queue is full and rejects the job; try again later")]
    Rejected,
    #[error("the connection to the broker is closed; connect again")]
    ConnectionClosed,
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
        match publish.await?.await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::NotRequested => Err(QueueError::Unroutable),
            Confirmation::Nack(_) => Err(QueueError::Rejected),
        }
    }
}

fn automatic_ack() -> BasicConsumeOptions {
    BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    }
}

pub struct Worker {
    jobs: Consumer,
}

impl Worker {
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        let channel = channel(connection).await?;
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        let (options, arguments) = (automatic_ack(), FieldTable::default());
        let jobs = channel
            .basic_consume(QUEUE.into(), "".into(), options, arguments)
            .await?;
        Ok(Worker { jobs })
    }

    pub async fn process_next(&mut self, work: impl AsyncFnOnce(&str)) -> Result<(), QueueError> {
        let delivery = self
            .jobs
            .next()
            .await
            .ok_or(QueueError::ConnectionClosed)??;
        work(&String::from_utf8_lossy(&delivery.data)).await;
        Ok(())
    }
}
