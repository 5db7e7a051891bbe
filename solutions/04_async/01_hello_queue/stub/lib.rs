//! # A queue that loses no job
//!
//! A customer asks for an export of her orders, which takes a minute. The clone that serves her
//! does not do it during the request. It puts a *job* on a queue in RabbitMQ, and a worker does it
//! later. The page says: "Your export is being prepared."
//!
//! One evening an operator deletes the queue by mistake. The clones go on sending jobs, see no
//! error and log nothing. A week later the customers complain: their jobs are gone. RabbitMQ stores
//! its messages on disk, so it does not lose them. Jobs are lost when one process *hands them over*
//! to another. This exercise is the first handover: from the sender to the broker (RabbitMQ). The
//! exercise `hello_worker` is the second one.
//!
//! ## Rules
//!
//! 1. When [`Sender::send`] returns `Ok`, the broker has the job on disk. So `send` waits until the
//!    broker has confirmed the job (*publisher confirm*). If the connection breaks before, `send`
//!    returns an error.
//! 2. If there is no queue for a job, `send` returns [`QueueError::Unroutable`]. The sender can
//!    then tell the customer. Only the broker can know this when the job arrives: a queue that the
//!    sender has seen a moment ago may be deleted now.
//! 3. If the queue rejects a job, `send` returns [`QueueError::Rejected`].
//! 4. An unroutable or rejected job does not stop the sender: it can send the next job.
//! 5. A job is a *persistent* message (delivery mode 2), and its body is the job's text.
//! 6. A job waits in the queue until a worker takes it, even for a week. It does not expire.
//!
//! Rule 5 makes the sender independent of the queue's type. A *classic* queue writes only
//! persistent messages to disk, and loses the others when the broker restarts. A *quorum* queue, as
//! here, writes every message to disk, whatever its delivery mode.
//!
//! ## Predict
//!
//! The queue is deleted. A sender publishes ten jobs, without any option, and waits for the
//! broker's answer to each. How many of the ten does the broker confirm? And how many with the
//! option `mandatory`?
//!
//! ## What to do
//!
//! Write the bodies in [`Sender`]: about 25 lines together. The connection and the queue are given.
//! The library is lapin, and you need two methods of its
//! [`Channel`](https://docs.rs/lapin/4/lapin/struct.Channel.html):
//!
//! * `confirm_select(ConfirmSelectOptions::default())`: the broker confirms the messages of this
//!   channel from now on.
//! * `basic_publish(exchange, routing_key, options, body, properties)`: publishes to the exchange
//!   with the empty name (`"".into()`), which puts a message into the queue that the routing key
//!   names. You await it *twice*. The first `.await` returns when lapin has sent the message. It
//!   returns a second future, whose result is the broker's answer, a
//!   [`Confirmation`](https://docs.rs/lapin/4/lapin/enum.Confirmation.html).
//!
//! `cargo workshop check hello_queue` runs the tests. They fail now; that is expected.
//!
//! Left out: reconnecting, a time-out for each step, and many messages that wait for their
//! confirmations at the same time. Chapter 4 has the first two.

#![warn(missing_docs)]
#![allow(
    dead_code,
    unused_variables,
    clippy::unused_async,
    reason = "delete when finished"
)]

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};

/// The queue's name.
pub const QUEUE: &str = "hello";

/// How many jobs the queue holds. The broker checks this only from time to time, so it may accept a
/// few more before it rejects jobs.
pub const CAPACITY: u32 = 20;

/// Why a job was not handed over to the broker.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The broker returned an error, or the connection broke. If this happens in
    /// [`Sender::send`], the job may be in the queue or not.
    #[error("the broker returned an error or the connection broke: {0}")]
    Broker(#[from] lapin::Error),
    /// There is no queue for the job, so the broker has discarded it.
    #[error("the queue {QUEUE:?} does not exist, so the broker discarded the job")]
    Unroutable,
    /// The queue is full and rejects the job.
    #[error("the queue {QUEUE:?} is full and rejects the job; try again later")]
    Rejected,
}

/// Connects to `amqp://USER:PASSWORD@HOST:PORT/VHOST`. A process needs one connection. Each sender
/// has its own channel in it.
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
