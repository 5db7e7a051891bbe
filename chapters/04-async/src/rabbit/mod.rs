//! Jobs and events on a real broker: [`RabbitQueue`] and [`RabbitEvents`].
//!
//! A broker is a process of its own, so what it has confirmed outlives every process that publishes to it or works for it. That
//! leaves one thing to get right, the hand-over, in both directions: a message is the publisher's until the broker confirms it, and
//! the broker's until a worker acknowledges it. Every step that is missed on the way makes a message come twice, never vanish.
//!
//! | file | what it is about |
//! |---|---|
//! | `connection.rs` | one connection, made again when it was lost, and how long anybody waits for it |
//! | `topology.rs` | the names of exchanges and queues, and what they promise |
//! | `publisher.rs` | confirmed publishing |
//! | `consumer.rs` | deliveries, acknowledgements, prefetch |
//! | `queue.rs`, `events.rs` | the two seams |
//! | `dead_letters.rs` | messages that nobody can work on: counted, and put back |
//!
//! Two connections for each value: one that publishes and one that consumes. A broker that runs out of memory or disk stops
//! *reading* from connections that publish (<https://www.rabbitmq.com/docs/connection-blocked>); over a shared one the
//! acknowledgements would be stopped too, and with them the way out of the misery.
//!
//! Left out: a cluster of brokers. A quorum queue on a single node has the interface of a replicated queue and not its fault
//! tolerance; the code would be the same, with several addresses. Also left out: TLS.

mod connection;
mod consumer;
mod dead_letters;
mod events;
mod publisher;
mod queue;
mod topology;

pub use connection::{ANSWER_WITHIN, RabbitError};
pub use events::RabbitEvents;
pub use queue::{RabbitQueue, Settings};
pub use topology::{DEAD_EVENTS, DEAD_JOBS, EVENTS, JOBS};
