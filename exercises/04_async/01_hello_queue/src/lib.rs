//! # A queue that loses no job
//!
//! A customer asks for an export of her orders, which takes a minute. The clone that serves her
//! does not do it during the request. It puts a *job* on a queue in RabbitMQ, and a worker does it
//! later. The page says: "Your export is being prepared."
//!
//! Now a worker's machine loses power during a job, and the job is gone. You see no error and no
//! log entry; a week later the customer complains. RabbitMQ stores its messages on disk, so it does
//! not lose them. Jobs are lost when one process *hands them over* to another.
//!
//! ## Rules
//!
//! 1. When [`Sender::send`] returns `Ok`, the broker (RabbitMQ) has the job on disk. So the job is
//!    a *persistent* message (delivery mode 2), and the broker has confirmed it (*publisher
//!    confirm*).
//! 2. If there is no queue for a job, or the queue rejects it, `send` returns an error. The sender
//!    can then tell the customer.
//! 3. A worker acknowledges a job after the work, not before. If the worker dies during the work,
//!    another worker gets the job.
//! 4. A worker holds one job at a time (*prefetch* 1). The other jobs stay in the queue for other
//!    workers.
//!
//! ## Predict
//!
//! There are two workers, without a limit on how many jobs they hold. Ten jobs arrive. The first
//! one takes a minute, and each other one takes a second. When is the last job done? And with a
//! limit of one?
//!
//! ## What to do
//!
//! Write the bodies in [`Sender`] and [`Worker`]: about 35 lines together. The connection and the
//! queue are given. The library is lapin: <https://docs.rs/lapin/4/lapin/struct.Channel.html>.
//! `cargo workshop check hello_queue` runs the tests. They fail now; that is expected.
//!
//! Left out: reconnecting, a time-out for each step, jobs that fail, and jobs that run twice. A
//! worker can die after the work and before the acknowledgement, so some jobs run *twice*.
//! Chapter 4 shows how to make that harmless.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, Consumer};

/// The queue's name.
pub const QUEUE: &str = "hello";

/// How many jobs the queue holds. The broker checks this only from time to time, so it may accept a
/// few more before it rejects jobs.
pub const CAPACITY: u32 = 20;

/// Why a job was not handed over or not processed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker returned an error, or the connection broke.
    #[error("the broker returned an error or the connection broke: {0}")]
    Broker(#[from] lapin::Error),
    /// There is no queue for the job, so the broker has discarded it.
    #[error("the queue {QUEUE:?} does not exist, so the broker discarded the job")]
    Unroutable,
    /// The queue is full and rejects the job.
    #[error("the queue {QUEUE:?} is full and rejects the job; try again later")]
    Rejected,
    /// The worker's connection is closed. If the worker holds a job, the broker gives it to another
    /// worker.
    #[error("the connection to the broker is closed; connect again")]
    ConnectionClosed,
}

/// Connects to `amqp://USER:PASSWORD@HOST:PORT/VHOST`. A process needs one connection. Each sender
/// and each worker has its own channel in it.
pub async fn connect(url: &str) -> Result<Connection, QueueError> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// Opens a channel, and declares the queue. The first call creates the queue. Later calls find it,
/// and fail if their arguments differ.
pub async fn channel(connection: &Connection) -> Result<Channel, QueueError> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    // A quorum queue writes each message to disk before it confirms it; in a cluster, to the disks
    // of a majority of the servers.
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    // A full queue rejects new jobs. The default is to drop the oldest job.
    arguments.insert("x-max-length".into(), CAPACITY.into());
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    // A durable queue survives a restart of the broker.
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
    /// Opens a sender with its own channel.
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        todo!("open a channel with publisher confirms, and return the sender")
    }

    /// Publishes a job, and returns when the broker has confirmed it.
    ///
    /// Takes `&mut self`, so only one job waits for its confirmation at a time.
    pub async fn send(&mut self, job: &str) -> Result<(), QueueError> {
        todo!(
            "publish the job, and return `Ok` if the broker confirms it, `Unroutable` if the \
             broker returns it, and `Rejected` if the broker rejects it"
        )
    }
}

/// Processes the jobs of the queue.
pub struct Worker {
    /// The stream of the jobs that the broker delivers to this worker.
    jobs: Consumer,
}

impl Worker {
    /// Opens a worker with its own channel. The broker delivers jobs to it from now on.
    pub async fn open(connection: &Connection) -> Result<Self, QueueError> {
        todo!("open a channel with a prefetch of one, consume `QUEUE`, and return the worker")
    }

    /// Waits for the next job, runs `work` on it, and then acknowledges the job.
    ///
    /// If this future is dropped during the work, as when the process dies, the job is not
    /// acknowledged.
    pub async fn process_next(&mut self, work: impl AsyncFnOnce(&str)) -> Result<(), QueueError> {
        todo!(
            "run `work` on the next job, acknowledge it, and return `Ok`; return \
             `ConnectionClosed` if the stream of jobs has ended"
        )
    }
}
