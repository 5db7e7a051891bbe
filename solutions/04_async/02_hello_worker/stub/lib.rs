//! # A worker that loses no job
//!
//! A customer asks for an export of her orders, which takes a minute. The clone that serves her
//! puts a *job* on a queue in RabbitMQ, and a worker does it later.
//!
//! Now a worker's machine loses power during a job, and the job is gone. You see no error and no
//! log entry; a week later the customer complains. RabbitMQ stores its messages on disk, so it does
//! not lose them. Jobs are lost when one process *hands them over* to another. This exercise is the
//! second handover: from the broker (RabbitMQ) to a worker. The exercise `hello_queue` is the first
//! one.
//!
//! ## Rules
//!
//! 1. A worker acknowledges a job after the work, not before. If the worker dies during the work,
//!    another worker gets the job.
//! 2. When [`Worker::process_next`] returns `Ok`, it has acknowledged the job. So each job runs
//!    once if no worker dies, and the broker can deliver the next job.
//! 3. A worker holds one job at a time (*prefetch* 1). The other jobs stay in the queue for other
//!    workers.
//! 4. If the connection is closed, `process_next` returns [`WorkerError::ConnectionClosed`]: while
//!    it waits for a job, and also after the work, if it cannot acknowledge the job any more. With
//!    `Ok`, the caller would go on calling it and would believe that the job is done.
//! 5. A message that is not text in UTF-8 is not a job. `process_next` does not run `work` on it,
//!    *rejects* it without *requeue*, and returns [`WorkerError::Unreadable`]. The broker then
//!    moves the message to the queue [`DEAD_LETTERS`], where an operator can look at it. The worker
//!    goes on with the next job.
//!
//! ## Predict
//!
//! There are two workers, without a limit on how many jobs they hold. Ten jobs arrive. The first
//! one takes a minute, and each of the other nine takes a second. The broker delivers to the
//! workers in turn. When is the last of the nine short jobs done? And with a limit of one?
//!
//! ## What to do
//!
//! Write the bodies in [`Worker`]: about 25 lines together. The connection and the queues are
//! given. The library is lapin:
//!
//! * `basic_qos(limit, BasicQosOptions::default())` sets the prefetch of a
//!   [`Channel`](https://docs.rs/lapin/4/lapin/struct.Channel.html). It applies to the consumers
//!   that you open on the channel *afterwards*.
//! * `basic_consume(queue, name, options, arguments)` opens a consumer. With an empty name, the
//!   broker chooses one. The default options are right, and so is an empty `FieldTable`.
//! * A [`Consumer`] is a stream. With `use futures_util::StreamExt;` it has the method `next`. Its
//!   result is an `Option<Result<Delivery, lapin::Error>>`. An error means that the connection has
//!   just broken, and `None` means that the stream has ended.
//! * A [`Delivery`](https://docs.rs/lapin/4/lapin/message/struct.Delivery.html) has the message's
//!   bytes in `data`. Its `acker` has the methods `ack(BasicAckOptions::default())` and
//!   `reject(BasicRejectOptions::default())`. Both return a `Result<bool, lapin::Error>`: only
//!   `Ok(true)` means that the broker gets the answer. `Ok(false)` means that the channel is closed
//!   already.
//!
//! `cargo workshop check hello_worker` runs the tests. They fail now; that is expected.
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

/// The name of the queue with the jobs.
pub const QUEUE: &str = "exports";

/// The name of the queue with the messages that a worker has rejected.
pub const DEAD_LETTERS: &str = "exports.dead";

/// Why there is no worker, or why a job was not processed.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Connecting to the broker, or opening a worker, failed.
    #[error("cannot connect to the broker or open a worker: {0}")]
    Broker(#[from] lapin::Error),
    /// The worker's connection is closed. If the worker holds a job, the broker gives it to another
    /// worker.
    #[error("the connection to the broker is closed; connect again and open a new worker")]
    ConnectionClosed,
    /// The message is not text, so it is not a job. The worker has rejected it.
    #[error("the message is not UTF-8; look at it in the queue {DEAD_LETTERS:?}")]
    Unreadable,
}

/// Connects to `amqp://USER:PASSWORD@HOST:PORT/VHOST`. A process needs one connection. Each worker
/// has its own channel in it.
pub async fn connect(url: &str) -> Result<Connection, WorkerError> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// Opens a channel, and declares both queues. The first call creates the queues. Later calls find
/// them, and fail if their arguments differ.
pub async fn channel(connection: &Connection) -> Result<Channel, WorkerError> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    // A quorum queue writes each message to disk.
    arguments.insert(
        "x-queue-type".into(),
        AMQPValue::LongString("quorum".into()),
    );
    // A durable queue survives a restart of the broker.
    channel
        .queue_declare(
            DEAD_LETTERS.into(),
            QueueDeclareOptions::durable(),
            arguments.clone(),
        )
        .await?;
    // The broker publishes a rejected message to this exchange (the default one) with this routing
    // key (the other queue's name).
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

/// Processes the jobs of the queue.
pub struct Worker {
    /// The stream of the jobs that the broker delivers to this worker.
    jobs: Consumer,
}

impl Worker {
    /// Opens a worker with its own channel. The broker delivers jobs to it from now on.
    pub async fn open(connection: &Connection) -> Result<Self, WorkerError> {
        todo!("open a channel with a prefetch of one, consume `QUEUE`, and return the worker")
    }

    /// Waits for the next job, runs `work` on it, and then acknowledges the job.
    ///
    /// If this future is dropped during the work, as when the process dies, the job is not
    /// acknowledged.
    pub async fn process_next(&mut self, work: impl AsyncFnOnce(&str)) -> Result<(), WorkerError> {
        todo!(
            "run `work` on the next job, acknowledge it, and return `Ok`; reject a message that is \
             not UTF-8, and return `Unreadable`; return `ConnectionClosed` if there is no next job \
             or no acknowledgement"
        )
    }
}
