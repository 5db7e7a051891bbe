//! What stands in the broker: the names, and what each queue promises.
//!
//! Every connection declares what it uses, since nobody can know who comes first. To declare what is there already changes nothing;
//! to declare it *differently* is an error (406, `PRECONDITION_FAILED`), so all processes of a store have to agree on the values
//! below. A change of them needs a new name or a deleted queue, or, in a larger system, policies instead of arguments
//! (<https://www.rabbitmq.com/docs/parameters#policies>).
//!
//! ```text
//!  publish ──(default exchange)──▶ jobs ──▶ workers                    point-to-point
//!                                   └─ rejected ─▶ jobs.dead
//!
//!  publish ──▶ events ──rsvp.*──▶ email ──▶ its consumers              publish/subscribe outside,
//!             (topic)   rsvp.*──▶ push  ──▶ its consumers              point-to-point inside
//!                                   └─ rejected, too many ─▶ events.dead
//! ```

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};

use self::Argument::{Number, Text};
use super::connection::{RabbitError, failed};

/// The queue on which the jobs wait.
pub const JOBS: &str = "jobs";
/// Where jobs go that cannot be read.
pub const DEAD_JOBS: &str = "jobs.dead";
/// The exchange that takes events.
pub const EVENTS: &str = "events";
/// Where events go that cannot be read, and those of a subscriber that stays away for too long.
pub const DEAD_EVENTS: &str = "events.dead";

/// The exchange that every broker has: it brings a message to the queue whose name is the routing key.
pub(super) const DEFAULT_EXCHANGE: &str = "";

/// How often a message may come back before the broker gives it up and makes it a dead letter.
///
/// Quorum queues have this limit whether one asks for it or not: 20 since RabbitMQ 4.0, and *without a dead-letter exchange the message
/// is dropped* when it is reached. It counts whatever brings a message back: a nack, a worker's death, on some versions a stop
/// for an update. None of that says that the job is bad: while the board's database is away, each worker gives its job back once a
/// second, and 20 seconds of that would be the end of it. How often a job was *begun* is counted on the board; here is only a stop for a
/// message that would go round for ever.
const DELIVERY_LIMIT: i64 = 10_000;

/// How many events may wait in one subscriber's queue.
const WAITING_EVENTS: i64 = 100_000;

/// What a connection uses, and so declares.
#[derive(Clone, Debug)]
pub(super) enum Topology {
    /// The queue of jobs, which refuses more than this many.
    Jobs { capacity: u32 },
    /// The exchange of events: all that a publisher of events may know.
    Events,
    /// The exchange, and one subscriber's queue.
    Subscription { queue: String, pattern: String },
}

impl Topology {
    /// Makes what is missing. To be called inside of [`within`](super::connection::within).
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), RabbitError> {
        match self {
            Topology::Jobs { capacity } => {
                queue(channel, DEAD_JOBS, dead_letters()).await?;
                queue(channel, JOBS, jobs(*capacity)).await
            }
            Topology::Events => exchange(channel).await,
            Topology::Subscription {
                queue: name,
                pattern,
            } => {
                exchange(channel).await?;
                queue(channel, DEAD_EVENTS, dead_letters()).await?;
                queue(channel, name, events()).await?;
                let (queue, exchange, pattern) =
                    (name.as_str().into(), EVENTS.into(), pattern.as_str().into());
                channel
                    .queue_bind(
                        queue,
                        exchange,
                        pattern,
                        QueueBindOptions::default(),
                        FieldTable::default(),
                    )
                    .await
                    .map_err(failed("bind a queue"))
            }
        }
    }
}

/// Quorum queues write each message to disk before they confirm it. A classic queue does so too when the message asks for it, but
/// cannot be replicated.
///
/// One gap, in RabbitMQ itself: the *name* of a new queue is written only half a second after its declaration, and a broker that is killed
/// before that does not find the queue again, nor what it has confirmed (rabbitmq-server issue 15725). A store's queues are older.
const QUORUM: (&str, Argument) = ("x-queue-type", Text("quorum"));

// ANCHOR: jobs
fn jobs(capacity: u32) -> Vec<(&'static str, Argument)> {
    vec![
        QUORUM,
        ("x-delivery-limit", Number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", Text(DEFAULT_EXCHANGE)),
        ("x-dead-letter-routing-key", Text(DEAD_JOBS)),
        // A full queue says no to the publisher, instead of dropping the job at its front.
        ("x-max-length", Number(i64::from(capacity))),
        ("x-overflow", Text("reject-publish")),
        // A dead letter is gone from here only when it has arrived there. Needs `reject-publish`.
        ("x-dead-letter-strategy", Text("at-least-once")),
    ]
}
// ANCHOR_END: jobs

fn events() -> Vec<(&'static str, Argument)> {
    vec![
        QUORUM,
        ("x-delivery-limit", Number(DELIVERY_LIMIT)),
        ("x-dead-letter-exchange", Text(DEFAULT_EXCHANGE)),
        ("x-dead-letter-routing-key", Text(DEAD_EVENTS)),
        // The opposite of a job queue: one subscriber that stays away must not stop the publisher, and with it all others. Its
        // oldest events, which interest the least by now, go to the dead letters.
        ("x-max-length", Number(WAITING_EVENTS)),
        ("x-overflow", Text("drop-head")),
    ]
}

fn dead_letters() -> Vec<(&'static str, Argument)> {
    // Without a limit: nobody may lose a dead letter by looking at it 20 times.
    vec![QUORUM, ("x-delivery-limit", Number(-1))]
}

/// What an argument of a queue can be.
enum Argument {
    Text(&'static str),
    Number(i64),
}

async fn queue(
    channel: &Channel,
    name: &str,
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
        .queue_declare(name.into(), QueueDeclareOptions::durable(), table)
        .await
        .map(drop)
        .map_err(failed("declare a queue"))
}

async fn exchange(channel: &Channel) -> Result<(), RabbitError> {
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    channel
        .exchange_declare(
            EVENTS.into(),
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        )
        .await
        .map_err(failed("declare an exchange"))
}
