//! What the job queue and the event bus on RabbitMQ share.
//!
//! A broker is a separate process, so a confirmed message survives its publishers and its workers.
//! Two hand-overs must be right. The publisher keeps a message until the broker confirms it, and
//! the broker keeps it until a worker acknowledges it. If a step in between is lost, the message
//! is delivered twice. No message is lost.
//!
//! | file | content |
//! |---|---|
//! | `connection.rs` | a connection that is made again after a loss |
//! | `error.rs` | [`RabbitError`], and the time-out of every call |
//! | `topology.rs` | exchanges, queues and their arguments |
//! | `publisher.rs` | publisher confirms |
//! | `consumer.rs` | deliveries, acknowledgements, prefetch |
//!
//! Each queue and each event bus has two connections, one to publish and one to consume. A broker
//! that runs out of memory or disk stops *reading* from connections that publish
//! (<https://www.rabbitmq.com/docs/connection-blocked>). On a shared connection it would not read
//! the acknowledgements either, and could not free any memory.

mod connection;
mod consumer;
mod error;
mod publisher;
mod topology;

pub use error::{OPERATION_TIMEOUT, RabbitError};
pub use topology::{DEAD_EVENTS, DEAD_JOBS, EVENTS, JOBS};

pub(crate) use connection::BrokerConnection;
pub(crate) use consumer::ConsumerPool;
pub(crate) use error::with_timeout;
pub(crate) use publisher::{ConfirmedPublisher, OutgoingMessage};
pub(crate) use topology::{DEFAULT_EXCHANGE, Topology};
