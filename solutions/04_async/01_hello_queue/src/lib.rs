//! # A job that nobody loses
//!
//! A customer asks for an export of her orders. It takes a minute, so the clone that serves her only leaves a note: a *job*, on a queue in
//! RabbitMQ, and some worker does it. "Your export is under way", says the page.
//!
//! Now a worker's machine is switched off in the middle, and the job is gone. You would notice by nothing at all: no error, no log,
//! only a customer who writes a week later. The broker keeps what it has, on disk. Jobs are lost where they *change hands*.
//!
//! ## What must always be true
//!
//! 1. When [`Sender::send`] says `Ok`, the broker has the job on disk, because it has said so (*publisher confirm*).
//! 2. A job that no queue takes, or that the queue refuses, is an error for the sender, who can still tell the customer.
//! 3. A job is acknowledged after the work and not before. If its worker dies in the middle, another one gets it.
//! 4. A worker holds one job at a time (*prefetch* 1). What it cannot begin yet stays in the queue, for those who can.
//!
//! ## Predict
//!
//! Two workers, and no limit on what they may hold. Ten jobs come, the first takes a minute and the others a second each. When is
//! the last one done? And with a limit of one?
//!
//! ## What to do
//!
//! Write the bodies in [`Sender`] and [`Worker`], about 35 lines together. Connecting and the queue itself are ready. The library is
//! lapin: <https://docs.rs/lapin/4/lapin/struct.Channel.html>. `cargo workshop check hello_queue` shows how far you are; it is red
//! now, and that is right.
//!
//! Left out: connecting again, a limit for each wait, jobs that fail, and doing a job twice. For a worker can die after the work and
//! before its acknowledgement, so what is never lost is now and then *repeated*: chapter 4 makes that harmless.

#![warn(missing_docs)]

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};

/// The queue's name.
pub const QUEUE: &str = "hello";

/// How many jobs may wait. The broker looks only now and then, so some more may slip in; then it refuses.
pub const CAPACITY: u32 = 20;

/// Why a job was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker did not do what it was asked, or the connection broke.
    #[error("the broker did not do what it was asked: {0}")]
    Broker(#[from] lapin::Error),
    /// There is no queue for the job, and the broker has thrown it away.
    #[error("there is no queue {QUEUE:?} that would take the job")]
    Unroutable,
    /// The queue does not take the job, because it is full.
    #[error("the queue {QUEUE:?} refuses the job; try again when the workers have caught up")]
    Refused,
    /// The worker's connection is gone. The job in its hands, if any, goes to another worker.
    #[error("the connection to the broker is gone")]
    Gone,
}

/// Connects to `amqp://USER:PASSWORD@HOST:PORT/VHOST`. A process has one connection, and a channel for each sender and worker in it.
pub async fn connect(url: &str) -> Result<Connection, QueueError> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// A new channel, on which the queue exists. Whoever comes first makes the queue; all others find it, if they want the same as the first.
pub async fn channel(connection: &Connection) -> Result<Channel, QueueError> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    // A quorum queue writes each message to disk before it confirms it, and in a cluster to several.
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    // When it is full it says no to the sender, instead of dropping the oldest job.
    arguments.insert("x-max-length".into(), CAPACITY.into());
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    // Durable: the queue is still there after the broker was restarted.
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(channel)
}

/// Puts jobs on the queue.
pub struct Sender {
    channel: Channel,
}

impl Sender {
    /// A sender with a channel of its own.
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        let channel = channel(connection).await?;
        // Without this, publishing ends with a buffer of this process, and the broker never says anything.
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Sender { channel })
    }

    /// Hands a job over to the broker, and returns when it is in its hands.
    ///
    /// `&mut`, so there is one job at a time, and no doubt which one a confirmation is about.
    pub async fn send(&mut self, job: &str) -> Result<(), QueueError> {
        let options = BasicPublishOptions {
            // Without a queue, the broker throws a message away and confirms it. Mandatory: it sends it back first.
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default();
        let publish = self.channel.basic_publish(
            "".into(),
            QUEUE.into(),
            options,
            job.as_bytes(),
            properties,
        );
        // The first wait ends when the job has left this process, the second when the broker has it.
        match publish.await?.await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::NotRequested => Err(QueueError::Unroutable),
            Confirmation::Nack(_) => Err(QueueError::Refused),
        }
    }
}

/// Does the jobs on the queue.
pub struct Worker {
    /// A stream of what the broker sends to this worker.
    jobs: Consumer,
}

impl Worker {
    /// A worker with a channel of its own, to which the broker begins to send at once.
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        let channel = channel(connection).await?;
        // Before the consumer is opened, which from then on gets all that it may hold.
        channel.basic_qos(1, BasicQosOptions::default()).await?;
        // The default options ask for an acknowledgement. The name is for the broker to choose, so that no two workers have the same.
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let jobs = channel
            .basic_consume(QUEUE.into(), "".into(), options, arguments)
            .await?;
        Ok(Worker { jobs })
    }

    /// Waits for the next job, lets `work` do it, and only then tells the broker that it is done.
    ///
    /// Dropped in the middle, as when the process dies, it has told the broker nothing.
    pub async fn work_one(&mut self, work: impl AsyncFnOnce(&str)) -> Result<(), QueueError> {
        let delivery = self.jobs.next().await.ok_or(QueueError::Gone)??;
        work(&String::from_utf8_lossy(&delivery.data)).await;
        // Now and not before: until here the job is the broker's as well, and it gives it to somebody else if our connection ends.
        let is_heard = delivery.acker.ack(BasicAckOptions::default()).await?;
        if is_heard {
            Ok(())
        } else {
            Err(QueueError::Gone)
        }
    }
}
