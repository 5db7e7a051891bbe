//! The exchanges and queues in the broker, and the arguments of each queue.
//!
//! Every connection declares what it uses, because any process may be the first. Declaring an
//! existing queue changes nothing. Declaring it with *different* arguments is an error (406,
//! `PRECONDITION_FAILED`), so all processes must use the same values. To change a value, use a new
//! queue name, delete the queue, or set policies instead of arguments
//! (<https://www.rabbitmq.com/docs/parameters#policies>).
//!
//! ```text
//! point-to-point:
//!   publish -> (default exchange) -> jobs -> workers
//!                                    rejected -> jobs.dead
//!
//! publish/subscribe outside, point-to-point inside:
//!   publish -> events (topic) -> rsvp.* -> email -> its consumers
//!                                rsvp.* -> push  -> its consumers
//!                                          rejected, too many -> events.dead
//! ```

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use self::Argument::{Number, Text};
use super::error::RabbitError;

/// The queue on which jobs wait.
pub const JOBS: &str = "jobs";
/// The dead-letter queue for jobs that no worker can read.
pub const DEAD_JOBS: &str = "jobs.dead";
/// The topic exchange for events.
pub const EVENTS: &str = "events";
/// The dead-letter queue for unreadable events, and for events that a subscriber did not consume in
/// time.
pub const DEAD_EVENTS: &str = "events.dead";

/// Every broker has this exchange. It routes a message to the queue named by the routing key.
pub(crate) const DEFAULT_EXCHANGE: &str = "";

/// After this many deliveries the broker dead-letters a message.
///
/// Quorum queues always have a limit: 20 since RabbitMQ 4.0, and *without a dead-letter exchange
/// the broker drops the message* at the limit. A nack, a dead worker, and in some versions an
/// update of the broker count as deliveries. None of them means that the job is bad: while the job
/// store's database is down, each worker returns its job once a second, 20 times in 20 seconds.
/// The job store counts the attempts of a job. This limit only stops a message that would
/// circulate for ever.
const DELIVERY_LIMIT: i64 = 10_000;

/// How many events may wait in one subscriber's queue.
const MAX_WAITING_EVENTS: i64 = 100_000;

/// What a connection uses, and so declares.
#[derive(Clone, Debug)]
pub(crate) enum Topology {
    /// The queue of jobs for at most `capacity` messages.
    Jobs { capacity: u32 },
    /// The exchange of events. A publisher of events knows nothing else.
    Events,
    /// The exchange of events, and the queue of one subscriber.
    Subscription { queue: String, pattern: String },
}

impl Topology {
    /// Creates what is missing. Call it inside [`with_timeout`](super::with_timeout).
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), RabbitError> {
        match self {
            Topology::Jobs { capacity } => {
                declare_queue(channel, DEAD_JOBS, dead_letter_arguments()).await?;
                declare_queue(channel, JOBS, job_arguments(*capacity)).await
            }
            Topology::Events => declare_event_exchange(channel).await,
            Topology::Subscription { queue, pattern } => {
                declare_event_exchange(channel).await?;
                declare_queue(channel, DEAD_EVENTS, dead_letter_arguments()).await?;
                declare_queue(channel, queue, event_arguments()).await?;
                let binding = channel.queue_bind(
                    queue.as_str().into(),
                    EVENTS.into(),
                    pattern.as_str().into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                Ok(binding.await?)
            }
        }
    }
}

/// Quorum queues write each message to disk before they confirm it. A classic queue can do so too,
/// but cannot be replicated.
///
/// RabbitMQ has one gap here: it writes the *name* of a new queue to disk only half a second after
/// the declaration. A broker that is killed before that loses the queue with its confirmed messages
/// (rabbitmq-server issue 15725). The queues of a running store are older than that.
const QUORUM: (&str, Argument) = ("x-queue-type", Text("quorum"));

// ANCHOR: jobs
fn job_arguments(capacity: u32) -> Vec<(&'static str, Argument)> {
    vec![
        QUORUM,
        ("x-delivery-limit", Number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", Text(DEFAULT_EXCHANGE)),
        ("x-dead-letter-routing-key", Text(DEAD_JOBS)),
        // A full queue refuses new jobs, instead of dropping the job at its front.
        ("x-max-length", Number(i64::from(capacity))),
        ("x-overflow", Text("reject-publish")),
        // A dead letter leaves this queue only after it has arrived in the dead-letter queue. Needs
        // `reject-publish`.
        ("x-dead-letter-strategy", Text("at-least-once")),
    ]
}
// ANCHOR_END: jobs

fn event_arguments() -> Vec<(&'static str, Argument)> {
    vec![
        QUORUM,
        ("x-delivery-limit", Number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", Text(DEFAULT_EXCHANGE)),
        ("x-dead-letter-routing-key", Text(DEAD_EVENTS)),
        // Unlike a full job queue: an absent subscriber must not block the publisher, and with it
        // all other subscribers. Its oldest events become dead letters.
        ("x-max-length", Number(MAX_WAITING_EVENTS)),
        ("x-overflow", Text("drop-head")),
    ]
}

fn dead_letter_arguments() -> Vec<(&'static str, Argument)> {
    // No limit: an operator may look at a dead letter as often as needed without losing it.
    vec![QUORUM, ("x-delivery-limit", Number(-1))]
}

/// The value of a queue argument.
enum Argument {
    Text(&'static str),
    Number(i64),
}

async fn declare_queue(
    channel: &Channel,
    queue: &str,
    arguments: Vec<(&'static str, Argument)>,
) -> Result<(), RabbitError> {
    let mut table = FieldTable::default();
    for (name, argument) in arguments {
        let value = match argument {
            Text(text) => AMQPValue::LongString(text.into()),
            Number(number) => number.into(),
        };
        table.insert(name.into(), value);
    }
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), table)
        .await?;
    Ok(())
}

async fn declare_event_exchange(channel: &Channel) -> Result<(), RabbitError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let declaration = channel.exchange_declare(
        EVENTS.into(),
        ExchangeKind::Topic,
        options,
        FieldTable::default(),
    );
    Ok(declaration.await?)
}
