// Wrong: it ignores whether the acknowledgement has failed.
// Says: Do you look at the result of `ack`
// Breaks: rule 4
#![allow(missing_docs, reason = "documented in the exercise")]

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};

pub const QUEUE: &str = "exports";

pub const DEAD_LETTERS: &str = "exports.dead";

#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot connect to the broker or open a worker: {0}")]
    Broker(#[from] lapin::Error),
    #[error("the connection to the broker is closed; connect again and open a new worker")]
    ConnectionClosed,
    #[error("the message is not UTF-8; look at it in the queue {DEAD_LETTERS:?}")]
    Unreadable,
}

pub async fn connect(url: &str) -> Result<Connection, WorkerError> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

pub async fn channel(connection: &Connection) -> Result<Channel, WorkerError> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    channel
        .queue_declare(
            DEAD_LETTERS.into(),
            QueueDeclareOptions::durable(),
            arguments.clone(),
        )
        .await?;
    arguments.insert(
        "x-dead-letter-exchange".into(),
        AMQPValue::LongString("".into()),
    );
    arguments.insert(
        "x-dead-letter-routing-key".into(),
        AMQPValue::LongString(DEAD_LETTERS.into()),
    );
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(channel)
}

pub struct Worker {
    jobs: Consumer,
}

impl Worker {
    pub async fn open(connection: &Connection) -> Result<Self, WorkerError> {
        let channel = channel(connection).await?;
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let jobs = channel
            .basic_consume(QUEUE.into(), "".into(), options, arguments)
            .await?;
        Ok(Worker { jobs })
    }

    pub async fn process_next(&mut self, work: impl AsyncFnOnce(&str)) -> Result<(), WorkerError> {
        let Some(Ok(delivery)) = self.jobs.next().await else {
            return Err(WorkerError::ConnectionClosed);
        };
        let Ok(job) = str::from_utf8(&delivery.data) else {
            let reject = delivery.acker.reject(BasicRejectOptions::default());
            return Err(match reject.await {
                Ok(true) => WorkerError::Unreadable,
                Ok(false) | Err(_) => WorkerError::ConnectionClosed,
            });
        };
        work(job).await;
        let _ = delivery.acker.ack(BasicAckOptions::default()).await;
        Ok(())
    }
}
